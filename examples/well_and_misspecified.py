"""How far is a fit from the entropy floor H(p*), when the model is right and when it is wrong?

With a known truth the ledger splits the cross-entropy of a fit into floor, approximation and
estimation. With data alone the floor must be estimated, and the gap is judged against what the same
computation gives on samples from the fitted model.
Data: 272 waiting times between eruptions of Old Faithful (Härdle 1991); deaths by horse kick in 200
corps-years of the Prussian army (Bortkiewicz 1898).
"""

import argparse

import numpy as np

import mlece

truth = mlece.Gamma(shape=2, rate=1)
sample = truth.sample(200, rng=1)
print(f"Known truth, {truth}: 200 observations")
for model in (mlece.Gamma(), mlece.Exponential()):
    account = mlece.ledger(truth, mlece.fit(model, sample))
    print(f"\n{type(model).__name__}\n{account}")

print(
    "\nA gamma density fitted as an exponential one costs log 2 - γ nats for ever:",
    f"{np.log(2) - np.euler_gamma:.6f}",
)

# Many samples at once: the cost of estimation is about k/(2n) when the model is right.
many = mlece.ledger(truth, mlece.fit(mlece.Gamma(), truth.sample((2000, 200), rng=2)))
print(
    f"Mean estimation term of 2,000 gamma fits: {many.estimation.mean():.5f} nats; "
    f"k/(2n) = {2 / 400:.5f}"
)

print("\nUnknown truth")
kicks = mlece.datasets.horse_kicks()
right = mlece.fit(mlece.Poisson(), kicks.values, weights=kicks.counts)
print("horse kicks:", right.gap())
waiting = mlece.datasets.old_faithful().values
wrong = mlece.fit(mlece.Gaussian(), waiting)
print("Old Faithful:", wrong.gap())

try:
    mlece.fit(mlece.Gamma(), sample).cross_entropy - account.floor
except mlece.MleceError as error:
    print(f"\nWhy not subtract H from the in-sample cross-entropy? {error}")

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--plot", metavar="FILE")
if path := parser.parse_args().plot:
    axes, _ = wrong.plot()
    np.ravel(axes)[0].figure.savefig(path)
