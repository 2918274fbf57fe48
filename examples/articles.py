"""Which law describes the articles that doctoral students publish?

Each is a regression on the same covariates. The Poisson law cannot vary as the data do; zero inflation
says that some students never publish, the negative binomial law that students differ.
Data: 915 students of biochemistry (Long 1990).
"""

import argparse

import numpy as np

import mlece

students = mlece.datasets.articles().frame()
terms = "gender + married + children + prestige + mentor"
models = {
    "Poisson": mlece.Poisson(rate=terms),
    "zero-inflated Poisson": mlece.Inflated(mlece.Poisson(rate=terms), at=0, probability=terms),
    "negative binomial": mlece.NegativeBinomial(mean=terms),
    "zero-inflated nb": mlece.Inflated(mlece.NegativeBinomial(mean=terms), at=0, probability=terms),
}
fits = {name: mlece.fit(model, "articles", given=students) for name, model in models.items()}
print(f"{'law':<22}{'log-likelihood':>15}{'held out':>10}{'without articles':>18}")
for name, fit in fits.items():
    held_out = mlece.cross_validate(fit).cross_entropy
    zeros = fit.predict().log_density(0.0)
    print(f"{name:<22}{fit.log_likelihood:>15.3f}{held_out:>10.4f}{np.exp(zeros).mean():>18.1%}")
print(f"{'the data':<22}{'':>25}{(students['articles'] == 0).mean():>18.1%}")

poisson, nb = fits["Poisson"], fits["negative binomial"]
print("\n", mlece.vuong(nb, fits["zero-inflated Poisson"]), sep="")
print(nb.gap(replicates=99))
inflated = mlece.fit(mlece.Inflated(models["negative binomial"], at=0), "articles", given=students)
print("One share of extra zeros for all:", inflated.certificate.sentence)

print("\nRate of a woman over that of a man (95 %):")
for name, fit, slot, kind in (
    ("Poisson, usual", poisson, "rate", "hessian"),
    ("Poisson, robust", poisson, "rate", "sandwich"),
    ("negative binomial", nb, "mean", "sandwich"),
):
    low, high = np.exp(fit.interval(kind=kind)[f"{slot}[gender[T.woman]]"])
    print(f"  {name:<18}{low:.3f} to {high:.3f}")

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--plot", metavar="FILE")
if path := parser.parse_args().plot:
    import matplotlib.pyplot as plt

    counts = np.arange(12.0)
    figure, ax = plt.subplots(layout="constrained")
    ax.bar(counts, [(students["articles"] == c).mean() for c in counts], color="0.85")
    for name in ("Poisson", "negative binomial"):
        law = fits[name].predict()
        shares = [np.exp(law.log_density(c)).mean() for c in counts]
        ax.plot(counts, shares, "o-", label=name)
    ax.set(xlabel="articles in three years", ylabel="share of students")
    ax.legend(frameon=False)
    figure.savefig(path)
