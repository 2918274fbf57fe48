"""What does a Gaussian fit aim at when the data are exponential?

At the Gaussian nearest in Kullback-Leibler divergence (White 1982, theorem 2.2): the one with the
mean and the variance of the truth. The divergence is ½ log 2π - ½ nats whatever the rate, and the
variance of the estimated spread is (κ - 1)/2 = 4 times what the Gaussian model says, κ = 9 being
the kurtosis of an exponential law. A known distribution goes where data go: fit(model, truth).
Data: hours between failures of the air conditioning in 13 aircraft (Proschan 1963).
"""

import argparse

import numpy as np

import mlece

truth = mlece.Exponential(rate=1)
best = mlece.fit(mlece.Gaussian(), truth)
ratio = best.variance_ratio
print(f"pseudo-true parameters     mean {best.params['mean']:.9f}, sd {best.params['sd']:.9f}")
print(f"divergence from the truth  {best.cross_entropy - mlece.entropy(truth):.12f} nats")
print(f"½ log 2π − ½               {0.5 * np.log(2 * np.pi) - 0.5:.12f}")
print(f"variance ratios            mean {ratio['mean']:.9f}, sd {ratio['sd']:.9f}")
print(f"effective parameters       tr(A⁻¹B) = {best.trace:.9f} (2 if the model were right)")
print(f"certificate                {best.certificate}")

print("\nEstimates come near it at the rate that the sandwich states:")
for n in (50, 500, 5000):
    fits = mlece.fit(mlece.Gaussian(), truth.sample((2000, n), rng=n))
    spread = np.sqrt(n) * fits.params["sd"].std()
    print(f"  n = {n:<5} √n × spread of the estimated sd: {spread:.3f}")
limit = np.sqrt(best.covariance()[1, 1])
print(f"  n → ∞     sandwich {limit:.3f}, Gaussian theory {limit / np.sqrt(ratio['sd']):.3f}")

hours = mlece.datasets.air_conditioning().values
fit = mlece.fit(mlece.Gaussian(), hours)
print(
    "\nAir-conditioning failures as a Gaussian: variance ratio of the sd "
    f"{fit.variance_ratio['sd']:.2f}, P(negative hours) {fit.model.cdf(0):.3f}"
)

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--plot", metavar="FILE")
if path := parser.parse_args().plot:
    axes, _ = best.plot()
    np.ravel(axes)[0].figure.savefig(path)
