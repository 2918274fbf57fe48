"""Published data sets, each with its units, its source and what it teaches."""

from mlece.datasets.catalogue import (
    affairs,
    air_conditioning,
    alpha_particles,
    articles,
    endometrial,
    ground_beef,
    horse_kicks,
    load,
    lung,
    names,
    old_faithful,
    public_schools,
    speed_of_light,
    weldon_dice,
    wolf_dice,
)
from mlece.datasets.dataset import Dataset

__all__ = [
    "Dataset",
    "affairs",
    "air_conditioning",
    "alpha_particles",
    "articles",
    "endometrial",
    "ground_beef",
    "horse_kicks",
    "load",
    "lung",
    "names",
    "old_faithful",
    "public_schools",
    "speed_of_light",
    "weldon_dice",
    "wolf_dice",
]
