"""Estimators of scikit-learn: its own checks, and what an estimator says that a fit says too."""

from __future__ import annotations

import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mlece
from mlece import errors

pytest.importorskip("sklearn", reason="scikit-learn is an extra: pip install 'mlece[sklearn]'")

from sklearn.base import clone
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from mlece.sklearn import (
    ConditionalClassifier,
    ConditionalRegressor,
    DensityEstimator,
    log_score,
)


def rows(n: int = 200, seed: int = 4) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    return X, 1.0 + X @ [0.5, -0.2, 0.0] + rng.normal(size=n)


def labels(X: Any, names: tuple[str, ...] = ("bus", "car", "rail"), seed: int = 5) -> Any:
    rng = np.random.default_rng(seed)
    scores = X[:, : len(names)] + rng.gumbel(size=(len(X), len(names)))
    return np.array(names)[scores.argmax(axis=1)]


@pytest.mark.parametrize(
    "estimator", [ConditionalRegressor(), ConditionalClassifier(), DensityEstimator()], ids=repr
)
@pytest.mark.filterwarnings("ignore")
def test_checks_of_scikit_learn(estimator: Any) -> None:
    found = check_estimator(estimator, on_skip=None, on_fail=None)
    assert len(found) > 40
    assert [(r["check_name"], r["exception"]) for r in found if r["status"] == "failed"] == []


def test_a_density_that_does_not_exist_is_refused_where_it_is_asked_for() -> None:
    X = np.random.default_rng(0).normal(size=(5, 8))
    with pytest.warns(errors.NoMaximumWarning, match="linear subspace"):
        density = DensityEstimator().fit(X)
    assert density.result_.cross_entropy == -np.inf
    for ask in (lambda: density.score(X), lambda: density.sample(2)):
        with pytest.raises(errors.NoDensityError, match="linear subspace"):
            ask()


def test_a_regressor_is_the_fit() -> None:
    X, y = rows()
    regressor = ConditionalRegressor().fit(X, y)
    fit = mlece.fit(mlece.Gaussian(mean=mlece.linear), y, given=X)
    assert regressor.result_.params == fit.params
    assert regressor.predict(X) == pytest.approx(LinearRegression().fit(X, y).predict(X), rel=1e-12)
    law = regressor.predict_distribution(X[:4])
    assert law.quantile(np.full((4, 1), 0.5)).ravel().tolist() == regressor.predict(X[:4]).tolist()
    assert log_score(regressor, X, y) == pytest.approx(-fit.cross_entropy, rel=1e-12)


def test_two_classes_against_scikit_learn() -> None:
    X, _ = rows()
    y = labels(X, ("no", "yes"))
    theirs = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(X, y)
    for model in ("bernoulli", "categorical"):
        ours = ConditionalClassifier(model).fit(X, y)
        assert ours.classes_.tolist() == ["no", "yes"]
        # Their optimiser stops at a gradient of 1e-10.
        assert ours.predict_proba(X) == pytest.approx(theirs.predict_proba(X), abs=1e-7)
        assert (ours.predict(X) == theirs.predict(X)).all()


def test_three_classes_against_scikit_learn() -> None:
    X, _ = rows()
    y = labels(X)
    theirs = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(X, y)
    ours = ConditionalClassifier().fit(X, y)
    assert ours.predict_proba(X) == pytest.approx(theirs.predict_proba(X), abs=1e-7)
    assert log_score(ours, X, y) == pytest.approx(-ours.result_.cross_entropy, rel=1e-12)
    assert np.exp(ours.predict_log_proba(X)) == pytest.approx(ours.predict_proba(X), rel=1e-14)


def test_ordered_labels_keep_their_order_and_classes_theirs() -> None:
    X, y = rows()
    grades = np.array(["low", "mid", "high"])[np.digitize(y, [0.5, 1.5])]
    model = mlece.Ordinal(labels=["low", "mid", "high"])
    classifier = ConditionalClassifier(model).fit(X, grades)
    assert classifier.classes_.tolist() == ["high", "low", "mid"]
    shares = classifier.predict_proba(X)
    law = mlece.fit(model.replace(location=mlece.linear), grades, given=X).predict()
    assert shares[:, [1, 2, 0]] == pytest.approx(law.masses(), rel=1e-12)
    assert log_score(classifier, X, grades) == pytest.approx(
        -classifier.result_.cross_entropy, rel=1e-12
    )


def test_formulas_and_categories_of_data_frames() -> None:
    X, y = rows()
    frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(group=labels(X))
    regressor = ConditionalRegressor(mlece.Gaussian(mean="a + C(group)", sd="b")).fit(frame, y)
    assert regressor.feature_names_in_.tolist() == ["a", "b", "c", "group"]
    assert "sd[b]" in regressor.result_.params
    assert regressor.predict(frame.iloc[:3]).shape == (3,)
    everything = ConditionalRegressor().fit(frame, y)
    assert len(everything.result_.params) == 7
    with pytest.raises(ValueError, match="feature names"):
        regressor.predict(frame[["a", "b", "group"]])


def test_pipelines_searches_and_copies() -> None:
    X, y = rows()
    pipe = make_pipeline(StandardScaler(), ConditionalRegressor())
    scores = cross_val_score(pipe, X, y, cv=4, scoring=log_score)
    assert (scores < -1.0).all()
    search = GridSearchCV(
        ConditionalRegressor(),
        {"model": [mlece.Gaussian(), mlece.StudentT(df=4), "logistic"]},
        scoring=log_score,
        cv=3,
    ).fit(X, y)
    assert search.best_score_ == search.cv_results_["mean_test_score"].max()
    fitted = pipe.fit(X, y)
    assert clone(fitted)[-1].get_params() == fitted[-1].get_params()
    assert pickle.loads(pickle.dumps(fitted)).predict(X).tolist() == fitted.predict(X).tolist()
    assert fitted.score(X, y) == pytest.approx(LinearRegression().fit(X, y).score(X, y), rel=1e-12)


def test_weights_are_counts() -> None:
    X, y = rows(60)
    counts = np.arange(60) % 3
    weighed = ConditionalRegressor().fit(X, y, sample_weight=counts)
    repeated = ConditionalRegressor().fit(np.repeat(X, counts, axis=0), np.repeat(y, counts))
    assert weighed.predict(X) == pytest.approx(repeated.predict(X), rel=1e-12)
    assert weighed.result_.n == counts.sum()


def test_columns_that_others_determine() -> None:
    X, y = rows()
    codes = OneHotEncoder().fit_transform(labels(X)[:, None])
    with pytest.warns(errors.CollinearWarning, match="x3"):
        dropped = ConditionalRegressor().fit(codes, y)
    assert dropped.columns_.tolist() == [0, 1]
    means = np.asarray(codes.T @ y) / np.asarray(codes.sum(axis=0)).ravel()
    assert dropped.predict(np.eye(3)) == pytest.approx(means, rel=1e-12)
    with pytest.raises(errors.DataError, match="linearly independent"):
        ConditionalRegressor(collinear="raise").fit(codes, y)
    with pytest.raises(errors.UnknownNameError, match="drop"):
        ConditionalRegressor(collinear="dorp").fit(codes, y)


@pytest.mark.parametrize("model", ["bernoulli", "categorical"])
def test_separated_classes_are_told_and_predicted(model: str) -> None:
    X, _ = rows()
    y = np.where(X[:, 0] > 0, "up", "down")
    with pytest.warns(errors.NoMaximumWarning, match="separate the responses completely") as told:
        classifier = ConditionalClassifier(model).fit(X, y)
    assert "above the infimum" in str(told[0].message)
    assert classifier.result_.certificate.status is mlece.Status.NOT_ATTAINED
    assert (classifier.predict(X) == y).all()
    # The infimum is 0: every probability of what happened is next to 1.
    assert 0 <= -log_score(classifier, X, y) < 1e-9


def test_quasi_separated_labels() -> None:
    X, _ = rows(60)
    rng = np.random.default_rng(8)
    y = np.where(X[:, 0] > 0, "a", np.where(rng.random(60) > 0.5, "b", "c"))
    with pytest.warns(errors.NoMaximumWarning, match="quasi-completely"):
        classifier = ConditionalClassifier().fit(X, y)
    low = X[:, 0] <= 0
    alone = mlece.fit(mlece.Categorical(p=mlece.linear), y[low], given=X[low])
    # What is left of the infimum is the regression of the labels that are not told apart.
    assert classifier.result_.cross_entropy == pytest.approx(
        alone.cross_entropy * low.mean(), rel=1e-12
    )
    assert -log_score(classifier, X, y) == pytest.approx(classifier.result_.cross_entropy, abs=1e-9)


def test_a_perfect_line_has_means_and_no_law() -> None:
    X, _ = rows(20)
    with pytest.warns(errors.NoMaximumWarning, match="unbounded"):
        regressor = ConditionalRegressor().fit(X, X[:, 0])
    assert regressor.predict(X) == pytest.approx(X[:, 0], abs=1e-12)
    with pytest.raises(errors.NoDensityError, match="predict"):
        regressor.predict_distribution(X)


def test_densities() -> None:
    X, y = rows()
    normal = DensityEstimator().fit(X)
    assert normal.score(X) == pytest.approx(-normal.result_.cross_entropy, rel=1e-12)
    assert normal.sample(5, random_state=0).shape == (5, 3)
    assert normal.sample(5, random_state=0).tolist() == normal.sample(5, random_state=0).tolist()
    gamma = DensityEstimator("gamma").fit(np.exp(y)[:, None])
    fit = mlece.fit("gamma", np.exp(y))
    assert (
        gamma.score_samples([[1.0], [2.0]]).tolist() == fit.model.log_density([1.0, 2.0]).tolist()
    )
    assert gamma.sample(4).shape == (4, 1)
    with pytest.raises(errors.DataError, match="one column"):
        DensityEstimator("gamma").fit(np.exp(X))


@pytest.mark.parametrize(
    ("estimator", "words"),
    [
        (ConditionalClassifier("poisson"), "ConditionalRegressor"),
        (ConditionalRegressor("categorical"), "ConditionalClassifier"),
        (ConditionalRegressor("gamma"), "MeanGamma"),
    ],
)
def test_families_of_another_kind(estimator: Any, words: str) -> None:
    X, _ = rows(20)
    with pytest.raises(errors.ParameterError, match=words):
        estimator.fit(X, np.arange(20) % 2)


def test_bernoulli_has_two_classes() -> None:
    X, _ = rows()
    with pytest.raises(errors.DataError, match="categorical"):
        ConditionalClassifier("bernoulli").fit(X, labels(X))


def test_without_scikit_learn_the_extra_is_named() -> None:
    code = (
        "import sys; sys.modules['sklearn'] = sys.modules['sklearn.base'] = None\n"
        "import mlece\n"
        "try:\n    import mlece.sklearn\n"
        "except mlece.errors.MissingDependencyError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "mlece[sklearn]" in done.stdout
