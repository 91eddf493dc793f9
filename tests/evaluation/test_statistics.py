"""Intervals and tests against scipy, against tables worked out by hand, and against simulation."""

from __future__ import annotations

import functools
import itertools
import tracemalloc

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from patent_embeddings.evaluation import randomisation, statistics


def scipy_p(differences: np.ndarray, resamples: float, alternative: str = "two-sided") -> float:
    """P-value that scipy gives for paired samples."""
    result = scipy.stats.permutation_test(
        (differences,), lambda x, axis: x.mean(axis=axis), permutation_type="samples", vectorized=True,
        n_resamples=resamples, alternative=alternative, rng=np.random.default_rng(5),
    )  # fmt: skip
    return float(result.pvalue)


def two_sided(differences: np.ndarray, resamples: int, seed: int) -> float:
    """P-value of the difference from systems that have 0 throughout."""
    table = np.column_stack([differences, np.zeros(len(differences))])
    return statistics.compare_ratios(table, np.ones_like(table), [(0, 1)], resamples, seed, intervals=False)[0].p


TESTS = {"two-sided": two_sided, "greater": randomisation.sign_flip}


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("alternative", TESTS)
def test_exact_p_values_equal_scipy(seed: int, alternative: str) -> None:
    differences = np.random.default_rng(seed).normal(0.4, 1.0, 10)
    ours = TESTS[alternative](differences, 2000, 0)
    assert ours == pytest.approx(scipy_p(differences, np.inf, alternative), abs=1e-12)


def test_exact_p_value_with_ties_and_zeros_equals_enumeration() -> None:
    differences = np.array([0.1, 0.2, -0.3, 0.0, 0.1, 0.1, 0.3, 0.0])
    sums = np.array([np.dot(signs, differences) for signs in itertools.product([1, -1], repeat=8)])
    by_hand = {"two-sided": np.abs(sums), "greater": sums}
    for alternative, test in TESTS.items():
        expected = np.mean(by_hand[alternative] >= differences.sum() - 1e-9)
        assert test(differences, 256, 0) == pytest.approx(expected)
        assert test(differences, 64, 0) == pytest.approx(expected)  # two units are 0: 2**6 assignments


@pytest.mark.parametrize("alternative", TESTS)
def test_differences_made_of_rounding_are_no_differences(alternative: str) -> None:
    noise = np.abs(np.random.default_rng(1).normal(0, 1e-17, 40))
    assert TESTS[alternative](noise, 999, 0) == TESTS[alternative](noise[:9], 999, 0) == 1


@pytest.mark.parametrize("shift", [0.0, 0.1, 0.25])
@pytest.mark.parametrize("alternative", TESTS)
def test_random_p_values_agree_with_scipy(shift: float, alternative: str) -> None:
    differences = np.random.default_rng(1).normal(shift, 1.0, 120)
    ours = TESTS[alternative](differences, 20_000, 0)
    assert ours == pytest.approx(scipy_p(differences, 20_000, alternative), abs=0.012)


def test_a_p_value_is_never_zero() -> None:
    assert randomisation.sign_flip(np.full(100, 0.3), 999, 0) == pytest.approx(1 / 1000)
    assert 0 < two_sided(np.full(100, 0.3), 999, 0) < 1e-20
    assert randomisation.sign_flip(np.zeros(20), 999, 0) == two_sided(np.zeros(20), 999, 0) == 1


def test_under_the_null_five_percent_are_rejected() -> None:
    # Skewed paired outcomes of 60 queries; 1,000 comparisons of equals, each with signs of its own.
    first, second = np.random.default_rng(11).beta(0.4, 1.2, (2, 1000, 60))
    p = [two_sided(row, 1999, seed) for seed, row in enumerate(first - second)]
    assert abs(np.mean(np.array(p) <= 0.05) - 0.05) <= 0.014


def test_a_true_difference_is_found() -> None:
    generator = np.random.default_rng(2)
    base = generator.beta(0.5, 0.8, 200)
    better = base + generator.normal(0.05, 0.1, 200)
    result = statistics.compare(better, base, 5000, 0)
    assert result.p < 0.001
    assert result.low > 0
    assert result.low < result.difference < result.high
    assert result.n == 200


def interval(values: np.ndarray, resamples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Bootstrap percentile interval of means over units."""
    return statistics.percentiles(statistics.resampled(values, resamples, seed) / len(values))


def test_intervals_cover_the_truth() -> None:
    # Share of zeros, then a beta: the shape of nDCG. 1,000 studies of 120 queries.
    generator = np.random.default_rng(7)
    outcomes = generator.beta(1.0, 1.5, (120, 1000)) * (generator.random((120, 1000)) < 0.7)
    truth = 0.7 * 0.4
    low, high = interval(outcomes, 1000, 0)
    covered = float(((low <= truth) & (truth <= high)).mean())
    assert 0.93 <= covered <= 0.97


@functools.cache
def recorded() -> dict[tuple[str, str], np.ndarray]:
    """nDCG@10 of the record's real test queries by scope and landscape, folds pooled: [queries, 4 cells]."""
    columns = ["passage_score", "system", "landscape", "scope", "query_id", "value"]
    cells = [("recipe", "==", "zero-shot"), ("passages", "==", 128), ("query_side", "==", False)]
    part = [("simulated", "==", False), ("split", "==", "test"), ("scope", "in", ["all", "in", "out"])]
    filters = [*cells, *part, ("system", "in", ["bm25", "dense"])]
    rows = pd.read_parquet("studies/robust/record.parquet", columns=columns, filters=filters)
    kinds = [("top3", "bm25"), ("top3", "dense"), ("best", "bm25"), ("best", "dense")]
    return {
        key: one.pivot_table(index="query_id", columns=["passage_score", "system"], values="value")[kinds].to_numpy()
        for key, one in rows.groupby(["scope", "landscape"])
    }


@pytest.mark.parametrize("n", range(6, 36))
def test_intervals_of_scores_cover_outcomes_as_skewed_as_the_records(n: int) -> None:
    rng, covered = np.random.default_rng(n), []
    for outcomes in recorded().values():
        drawn = outcomes[rng.integers(0, len(outcomes), (n, 500))]
        low, high = statistics.mean_interval(drawn)
        score, truth = drawn.mean(axis=0), outcomes.mean(axis=0)
        assert ((low >= 0) & (low <= score) & (score <= high) & (high <= 1)).all()
        covered.append(((low <= truth) & (truth <= high)).mean())
    assert 0.93 <= np.mean(covered) <= 0.97


@pytest.mark.parametrize("n", [6, 7, 12, 35, 200])
def test_a_score_of_0_or_1_has_an_honest_bound(n: int) -> None:
    # Of outcomes in 0..1 whose mean is mu, all n are 0 with a chance of (1 - mu) ** n at most.
    low, high = statistics.mean_interval(np.column_stack([np.zeros(n), np.ones(n), np.full(n, 0.5)]))
    assert low[0] == 0
    assert (1 - high[0]) ** n <= 0.05
    assert high[0] < 4.2 / n
    assert (low[1], high[1]) == pytest.approx((1 - high[0], 1))
    assert low[2] < 0.5 < high[2]


def test_no_interval_of_fewer_than_six() -> None:
    assert np.isnan(statistics.mean_interval(np.random.default_rng(0).random((5, 3)))).all()
    assert np.isnan(statistics.ratio_interval(np.ones(1), np.ones(1))).all()


def test_the_interval_of_shares_is_wilsons() -> None:
    hits = np.r_[np.ones(90), np.zeros(410)]
    theirs = scipy.stats.binomtest(90, 500).proportion_ci(method="wilson")
    assert statistics.mean_interval(hits) == pytest.approx((theirs.low, theirs.high), abs=2e-4)
    assert statistics.ratio_interval(2 * hits, np.full(500, 2.0)) == pytest.approx(statistics.mean_interval(hits))


def test_interval_agrees_with_scipy() -> None:
    values = np.random.default_rng(3).beta(0.5, 1.0, 300)
    theirs = scipy.stats.bootstrap(
        (values,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    low, high = interval(values[:, None], 20_000, 0)
    assert low == pytest.approx(theirs.low, abs=0.001)
    assert high == pytest.approx(theirs.high, abs=0.001)


def test_resamples_are_shared_between_columns_and_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(3).random((50, 2))
    values[:, 1] = values[:, 0]
    low, high = interval(values, 300, 0)
    assert low[0] == low[1]
    assert high[0] == high[1]
    assert (statistics.resampled(np.ones((50, 1)), 300, 0) == 50).all()
    monkeypatch.setattr(statistics, "_DRAWN", 50 * 7)
    again = interval(values, 300, 0)
    np.testing.assert_allclose(again, (low, high), rtol=0, atol=1e-12)


def test_a_paired_interval_is_narrower_than_an_unpaired_one() -> None:
    generator = np.random.default_rng(4)
    base = generator.random(200)
    result = statistics.compare(base + 0.01, base, 1000, 0)
    assert result.high - result.low < 1e-9
    assert result.difference == pytest.approx(0.01)


def test_holm_by_hand() -> None:
    p = np.array([0.01, 0.04, 0.03, 0.005])
    np.testing.assert_allclose(statistics.holm(p), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(statistics.holm(np.array([0.6, 0.5])), [1.0, 1.0])
    np.testing.assert_allclose(statistics.holm(np.array([0.2])), [0.2])


def test_effect_size_by_hand() -> None:
    assert statistics.effect_sizes(np.array([[1.0], [2.0], [3.0]])) == pytest.approx([2.0])
    assert statistics.effect_sizes(np.zeros((3, 1))) == [0.0]
    assert statistics.effect_sizes(np.array([[-0.5], [-0.5]])) == [-np.inf]
    assert np.isnan(statistics.effect_sizes(np.array([[0.5]])))  # one unit has no spread


@pytest.mark.parametrize("change", [0.1, -0.1, 1 / 3, 0.0])
def test_the_effect_of_equal_differences_is_no_number_made_of_rounding(change: float) -> None:
    base = np.random.default_rng(0).random(40)
    better = base + change
    assert change == 0 or 0 < (better - base).std() < 1e-15  # which a mean can be divided by
    expected = np.copysign(np.inf, change) if change else 0.0
    assert statistics.compare(better, base, 99, 0).effect == expected
    # And where nothing differs but the order of additions, there is no effect.
    noise = np.random.default_rng(1).normal(0, 1e-17, 40)
    assert statistics.effect_sizes(noise[:, None]) == [0.0]


def test_non_inferiority() -> None:
    """Its p-value is that of the differences plus the margin."""
    generator = np.random.default_rng(9)
    equal = generator.normal(0.0, 0.1, 400)
    worse = generator.normal(-0.05, 0.1, 400)
    assert randomisation.sign_flip(equal + 0.02, 5000, 0) < 0.05
    assert randomisation.sign_flip(worse + 0.02, 5000, 0) > 0.5
    # Too few queries to say that a loss of 0.02 is ruled out.
    assert randomisation.sign_flip(equal[:15] + 0.02, 50_000, 0) > 0.05


def test_non_inferiority_at_the_margin_holds_its_level() -> None:
    differences = np.random.default_rng(13).normal(-0.02, 0.1, (1000, 80))
    p = [randomisation.sign_flip(row + 0.02, 1999, seed) for seed, row in enumerate(differences)]
    assert abs(np.mean(np.array(p) <= 0.05) - 0.05) <= 0.014


def test_unpaired_outcomes_are_refused() -> None:
    with pytest.raises(ValueError, match="paired"):
        statistics.compare(np.zeros(3), np.zeros(4), 10, 0)
    with pytest.raises(ValueError, match="no units"):
        statistics.compare_ratios(np.zeros((0, 2)), np.zeros((0, 2)), [(0, 1)], 10, 0)


def test_ratios_with_denominator_one_are_means() -> None:
    values = np.random.default_rng(21).random((60, 3))
    values[:, 1] += 0.1
    found = statistics.compare_ratios(values, np.ones_like(values), [(1, 0), (0, 2)], 2000, 4)
    for (a, b), ratio in zip([(1, 0), (0, 2)], found, strict=True):
        mean = statistics.compare(values[:, a], values[:, b], 2000, 4)
        for name in ("difference", "low", "high", "effect", "n"):
            assert getattr(ratio, name) == pytest.approx(getattr(mean, name), abs=1e-12), name
        assert ratio.p == pytest.approx(mean.p, abs=1e-12)


def test_exact_p_value_of_micro_f1_equals_enumeration() -> None:
    counts = np.random.default_rng(5).integers(0, 4, (7, 3, 2)).astype(float)  # tp, fp, fn of two systems
    top, bottom = 2 * counts[:, 0], 2 * counts[:, 0] + counts[:, 1] + counts[:, 2]

    def difference(exchanged: tuple[int, ...]) -> float:
        columns = np.array(exchanged)
        rows = np.arange(7)
        first = top[rows, columns].sum() / bottom[rows, columns].sum()
        return float(first - top[rows, 1 - columns].sum() / bottom[rows, 1 - columns].sum())

    all_ways = [abs(difference(ways)) for ways in itertools.product([0, 1], repeat=7)]
    by_hand = np.mean([value >= abs(difference((0,) * 7)) - 1e-12 for value in all_ways])
    (found,) = statistics.compare_ratios(top, bottom, [(0, 1)], 500, 0)
    assert found.p == pytest.approx(by_hand)
    assert found.difference == pytest.approx(difference((0,) * 7))


def counts(generator: np.random.Generator, units: int, better: float) -> tuple[np.ndarray, np.ndarray]:
    """Twice the hits, and that with both kinds of errors, of two systems [units, 2], the first better."""
    wanted = generator.integers(1, 5, (units, 1))
    hits = generator.binomial(wanted, np.array([[0.5 + better, 0.5 - better]]))
    wrong = generator.poisson(0.4, (units, 2))
    return 2.0 * hits, (hits + wrong + wanted).astype(float)


@pytest.mark.parametrize(
    "kind", ["normal", "one large", "all equal", "few different", "micro-F1", "unequal denominators"]
)
def test_small_p_values_are_bounded_from_above_and_closely(kind: str) -> None:
    generator = np.random.default_rng(3)
    units = 17
    values = np.zeros((units, 2))
    values[:, 0] = {
        "normal": generator.normal(1, 0.5, units), "one large": np.r_[generator.random(units - 1) + 0.2, 4.0],
        "few different": np.r_[np.zeros(0), generator.normal(1.5, 0.5, units)], "all equal": np.full(units, 0.3),
    }.get(kind, np.zeros(units))  # fmt: skip
    below = np.ones_like(values)
    if kind == "micro-F1":
        values, below = counts(generator, units, 0.45)
    if kind == "unequal denominators":
        below = generator.uniform(0.5, 1.5, (units, 2))
        values = below * np.array([0.8, 0.3]) + generator.normal(0, 0.03, (units, 2))
    (exact,) = statistics.compare_ratios(values, below, [(0, 1)], 2**units, 0)
    (bounded,) = statistics.compare_ratios(values, below, [(0, 1)], 200, 0)
    assert exact.p < 1e-3  # below what 200 exchanges can say
    assert exact.p <= bounded.p <= max(40 * exact.p, 2e-4) < 1 / 201
    assert (bounded.difference, bounded.effect) == (exact.difference, exact.effect)


def test_a_p_value_that_some_exchange_reaches_is_counted_not_bounded() -> None:
    values = np.random.default_rng(4).normal([0.15, 0.0], 0.5, (60, 2))
    (found,) = statistics.compare_ratios(values, np.ones_like(values), [(0, 1)], 999, 0)
    assert found.p == two_sided(values[:, 0] - values[:, 1], 999, 0) > 1 / 1000


def test_many_pairs_take_the_memory_of_a_block_and_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(6).random((30, 120))
    pairs = list(itertools.combinations(range(120), 2))
    tracemalloc.start()
    found = statistics.compare_ratios(values, np.ones_like(values), pairs, 1000, 0, intervals=False)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 1000 * len(pairs) / 3  # one number for each exchange and pair, of which a third are 19 MiB
    monkeypatch.setattr(randomisation, "_CACHED", 5000)
    again = statistics.compare_ratios(values, np.ones_like(values), pairs, 1000, 0)
    assert [(one.p, one.effect) for one in again] == [(one.p, one.effect) for one in found]
    assert all(np.isnan(one.low) for one in found) and all(one.low < one.difference < one.high for one in again)


def test_under_the_null_ratios_reject_five_percent() -> None:
    generator = np.random.default_rng(8)
    p = []
    for seed in range(600):
        hits = generator.binomial(3, 0.6, (60, 2)).astype(float)
        p.append(
            statistics.compare_ratios(
                hits, np.full((60, 2), 3.0) + generator.integers(0, 2, (60, 2)), [(0, 1)], 999, seed
            )[0].p
        )
    assert abs(np.mean(np.array(p) <= 0.05) - 0.05) <= 0.018


def test_bootstrap_of_a_quotient_agrees_with_scipy() -> None:
    inside, outside = np.random.default_rng(3).beta([2.0, 1.0], [2.0, 4.0], (300, 2)).T
    theirs = scipy.stats.bootstrap(
        (inside, outside), lambda a, b, axis: 1 - b.mean(axis=axis) / a.mean(axis=axis), paired=True,
        n_resamples=20_000, method="percentile", rng=np.random.default_rng(1),
    ).confidence_interval  # fmt: skip
    ours = statistics.bootstrap(np.stack([inside, outside], 1), lambda sums: 1 - sums[:, 1] / sums[:, 0], 20_000, 0)
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.003)


def test_sums_are_those_of_whole_matrices_of_draws_and_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    # The random stream is contract: intervals and p-values of earlier runs come again.
    values = np.random.default_rng(9).random((301, 2))
    generator = np.random.default_rng(4)
    counts = np.stack([np.bincount(generator.integers(0, 301, 301), minlength=301) for _ in range(40)])
    np.testing.assert_allclose(statistics.resampled(values, 40, 4), counts @ values, rtol=1e-13)
    octets = np.random.default_rng(4).integers(0, 256, (500, 38), dtype=np.uint8)
    sums = np.where(np.unpackbits(octets, axis=1, count=301), 1, -1) @ (values[:, 0] - values[:, 1])
    reached = (np.abs(sums) >= abs((values[:, 0] - values[:, 1]).sum()) - 1e-9).sum()
    assert 20 < reached < 480
    monkeypatch.setattr(randomisation, "_TILE", (7, 64))
    assert statistics.compare(values[:, 0], values[:, 1], 500, 4).p == (reached + 1) / 501
    above = (sums >= (values[:, 0] - values[:, 1]).sum() - 1e-9).sum()
    assert randomisation.sign_flip(values[:, 0] - values[:, 1], 500, 4) == (above + 1) / 501


def test_counts_and_the_chance_of_a_fair_coin() -> None:
    first = np.array([0.9] * 8 + [0.1] * 2 + [0.4] * 5)
    second = np.array([0.5] * 8 + [0.5] * 2 + [0.4] * 5)
    found = statistics.wins(first, second)
    assert (found.won, found.lost, found.tied, found.n) == (8, 2, 5, 15)
    # Eight, nine or ten heads of ten, or as many tails: 2 (45 + 10 + 1) / 1024. The five ties have no say.
    assert found.p == pytest.approx(112 / 1024)
    assert found.difference == pytest.approx((8 * 0.4 - 2 * 0.4) / 15)
    back = statistics.wins(second, first)
    assert (back.won, back.lost, back.p, back.difference) == (2, 8, found.p, -found.difference)


@pytest.mark.parametrize(("won", "lost"), [(1, 0), (5, 5), (60, 41), (3, 400)])
def test_p_is_that_of_the_binomial_distribution(won: int, lost: int) -> None:
    change = np.concatenate([np.ones(won), -np.ones(lost)])
    tail = scipy.stats.binom.cdf(min(won, lost), won + lost, 0.5)
    assert statistics.wins(change, np.zeros(won + lost)).p == pytest.approx(min(1.0, 2 * tail))


def test_outcomes_that_differ_by_the_order_of_their_sums_are_tied() -> None:
    one, other = np.array([0.1 + 0.2 + 0.3]), np.array([0.3 + 0.2 + 0.1])
    assert one[0] != other[0]
    found = statistics.wins(one, other)
    assert (found.won, found.lost, found.tied, found.p) == (0, 0, 1, 1.0)


@pytest.mark.parametrize(("first", "second"), [(np.zeros(2), np.zeros(3)), (np.zeros(0), np.zeros(0))])
def test_what_is_not_paired_is_refused(first: np.ndarray, second: np.ndarray) -> None:
    with pytest.raises(ValueError, match="two equal, filled vectors"):
        statistics.wins(first, second)
