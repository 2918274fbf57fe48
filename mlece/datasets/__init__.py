"""Published data sets, each with its units, its source and what it teaches."""

from mlece.datasets.catalogue import (
    air_conditioning,
    alpha_particles,
    ground_beef,
    horse_kicks,
    load,
    names,
    old_faithful,
    speed_of_light,
    weldon_dice,
    wolf_dice,
)
from mlece.datasets.dataset import Dataset

__all__ = [
    "Dataset",
    "air_conditioning",
    "alpha_particles",
    "ground_beef",
    "horse_kicks",
    "load",
    "names",
    "old_faithful",
    "speed_of_light",
    "weldon_dice",
    "wolf_dice",
]
