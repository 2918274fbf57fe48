"""Profiles of the likelihood: their ends on a contour, in brackets of refits, along a walk."""
