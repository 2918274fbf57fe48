"""Where random numbers come from: samples for users, and draws that methods make for themselves."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlece import errors

# The branch of a seed from which methods draw. Whoever calls ``spawn`` gets branches 0, 1, 2, ...
_BRANCH = int.from_bytes(b"mlec", "big")
_STATEFUL = (np.random.Generator, np.random.BitGenerator, np.random.RandomState)


def seeded(rng: Any = None) -> np.random.Generator:
    """Return the generator of a seed, as ``numpy.random.default_rng`` does.

    Parameters
    ----------
    rng : int, numpy.random.Generator, numpy.random.SeedSequence or None

    Raises
    ------
    ParameterError
        For anything else.
    """
    try:
        return np.random.default_rng(rng)
    except (TypeError, ValueError) as error:
        raise errors.ParameterError(
            errors.message("a seed (an integer from 0 on), a numpy Generator or None", repr(rng))
        ) from error


def stream(rng: Any = None) -> np.random.Generator:
    """Return the generator from which a method draws for itself, given a seed.

    Data that were simulated from ``default_rng(0)`` often meet a method whose seed is 0 as well. Were
    it to draw from that generator, its first bootstrap sample would be the data themselves, and the
    randomised residuals of binary responses would be made of the numbers that made the responses. The
    numbers of this stream are independent of those of ``default_rng(rng)``.

    Parameters
    ----------
    rng : int, numpy.random.Generator, numpy.random.SeedSequence or None
        A generator is taken as it is: what it gives next it has not given before.

    Raises
    ------
    ParameterError
        For anything else.

    Examples
    --------
    >>> from mlece.randomness import seeded, stream
    >>> bool(stream(0).random() == seeded(0).random()), bool(stream(0).random() == stream(0).random())
    (False, True)
    """
    source = seeded(rng)
    if rng is None or isinstance(rng, _STATEFUL):
        return source
    seed = source.bit_generator.seed_seq
    assert isinstance(seed, np.random.SeedSequence)
    key = (*seed.spawn_key, _BRANCH)
    return np.random.default_rng(
        np.random.SeedSequence(seed.entropy, spawn_key=key, pool_size=seed.pool_size)
    )
