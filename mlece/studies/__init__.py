"""Studies of misspecification: many samples of known truths, fitted by many models."""
