"""Solvers: closed form, profile root, batched Newton, scipy.optimize. See :func:`mlece.fit`."""
