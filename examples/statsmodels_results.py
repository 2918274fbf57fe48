"""What is a published regression worth if its model is wrong, without fitting it again?

Visits to a doctor in the RAND health insurance experiment (Deb and Trivedi 2002), fitted by statsmodels:
a Poisson and a negative binomial regression. mlece takes log densities and scores from the results. Under
a right model tr(A⁻¹B) is the number of parameters and both kinds of standard errors agree (White 1982).
"""

import argparse

import numpy as np
import statsmodels.api as sm

import mlece

data = sm.datasets.randhie.load_pandas()
visits, covariates = data.endog, sm.add_constant(data.exog)
results = {
    "Poisson": sm.Poisson(visits, covariates).fit(disp=0),
    "negative binomial": sm.NegativeBinomialP(visits, covariates).fit(disp=0, maxiter=200),
}
fits = {name: mlece.from_statsmodels(result) for name, result in results.items()}

print(
    f"{'':<19}{'parameters':>10}{'tr(A⁻¹B)':>10}{'AIC':>10}{'TIC':>10}   stopped from the optimum"
)
for name, fit in fits.items():
    print(
        f"{name:<19}{fit.parameter_count:>10}{fit.trace:10.2f}{fit.aic:10.0f}{fit.tic:10.0f}"
        f"   {fit.distance:.1e} standard errors"
    )

print("\nStandard errors of the log of the rate")
print(f"{'':<10}{'statsmodels':>13}{'sandwich':>13}   of the negative binomial: sandwich")
poisson, negbin = fits.values()
reported = results["Poisson"].bse
for column in ("lncoins", "physlm", "disea", "hlthp"):
    pair = [fit.standard_errors()[column] for fit in (poisson, negbin)]
    print(f"{column:<10}{reported[column]:13.5f}{pair[0]:13.5f}   {pair[1]:10.5f}")

print(f"\n{mlece.information_matrix_test(negbin, form='opg', replicates=0)}")
print(mlece.vuong(negbin, poisson))
worst = max(np.sqrt(ratio) for ratio in poisson.variance_ratio.values())
print(f"The Poisson's own standard errors are too small by factors of up to {worst:.2f}.")

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--plot", metavar="FILE")
if path := parser.parse_args().plot:
    import matplotlib.pyplot as plt

    figure, ax = plt.subplots(layout="constrained")
    for name, fit in fits.items():
        ratios = {k: v for k, v in fit.variance_ratio.items() if k in covariates}
        ax.plot(np.sqrt(list(ratios.values())), list(ratios), "o", label=name)
    ax.set(xlabel="sandwich over usual standard error", xlim=(0, None))
    ax.legend()
    figure.savefig(path)
