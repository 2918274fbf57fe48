"""Where samples come from: data frames, files, and known distributions as weighted nodes."""
