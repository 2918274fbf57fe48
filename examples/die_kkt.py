"""Is Wolf's white die fair, and do three solvers agree on where the maximum lies?

A die with K sides is fitted by minimising -Σ p̂ log q subject to Σ q = 1 and q >= 0. At the minimum
the Karush-Kuhn-Tucker conditions hold with multiplier λ = 1: q = p̂, and a face that never showed
has q = 0 and its own multiplier μ = 1. Data: 20,000 throws by R. Wolf (Czuber 1908).
"""

import argparse

import numpy as np
from scipy.special import chdtrc

import mlece

faces, counts = mlece.datasets.wolf_dice().margin("white")
print("face ", *(f"{face:>8}" for face in faces))
print("count", *(f"{count:>8}" for count in counts))

# A seventh face, never seen, shows what happens at the boundary of the simplex.
die = mlece.Categorical(labels=range(1, 8))
fits = {s: mlece.fit(die, faces, weights=counts, solver=s) for s in ("closed", "newton", "SLSQP")}
print("\nThe seven-sided die by three solvers:")
for name, fit in fits.items():
    print(f"  {name:<7} q =", *(f"{q:.5f}" for q in fit.params["p"]))
    print(
        f"          at most {fit.certificate.excess:.0e} nats from the minimum; KKT: "
        f"{fit.certificate.kkt}"
    )
apart = max(np.abs(f.params["p"] - fits["closed"].params["p"]).max() for f in fits.values())
print(f"  largest difference between them: {apart:.0e}")
print("  multipliers μ of q >= 0:", *fits["closed"].certificate.kkt.cell_multipliers.round(12))
print(f"  multiplier that SLSQP found by itself: λ = {fits['SLSQP'].notes['lambda']:.9f}")

fitted = mlece.fit(mlece.Categorical(), faces, weights=counts)
fair = mlece.fit(mlece.Categorical(p=np.full(6, 1 / 6), labels=range(1, 7)), faces, weights=counts)
loss = float(fair.cross_entropy) - float(fitted.cross_entropy)
statistic = 2 * fitted.n * loss
print("\nIs it fair? Bits per throw")
print(f"  fair die    {fair.cross_entropy.to('bits'):.6f}")
print(f"  fitted die  {fitted.cross_entropy.to('bits'):.6f}")
print(
    f"  likelihood ratio 2 n ΔCE = {statistic:.2f} on 5 degrees of freedom, "
    f"p = {chdtrc(5, statistic):.0e}: not fair"
)
print(f"  {fair.gap(replicates=199)}")

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--plot", metavar="FILE")
if path := parser.parse_args().plot:
    axes, _ = fits["closed"].plot()
    np.ravel(axes)[0].figure.savefig(path)
