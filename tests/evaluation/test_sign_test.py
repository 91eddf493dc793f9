"""Who won and lost, and the sign test, against counts and chances worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from patent_embeddings.evaluation.sign_test import wins


def test_counts_and_the_chance_of_a_fair_coin() -> None:
    first = np.array([0.9] * 8 + [0.1] * 2 + [0.4] * 5)
    second = np.array([0.5] * 8 + [0.5] * 2 + [0.4] * 5)
    found = wins(first, second)
    assert (found.won, found.lost, found.tied, found.n) == (8, 2, 5, 15)
    # Eight, nine or ten heads of ten, or as many tails: 2 (45 + 10 + 1) / 1024. The five ties have no say.
    assert found.p == pytest.approx(112 / 1024)
    assert found.difference == pytest.approx((8 * 0.4 - 2 * 0.4) / 15)
    back = wins(second, first)
    assert (back.won, back.lost, back.p, back.difference) == (2, 8, found.p, -found.difference)


@pytest.mark.parametrize(("won", "lost"), [(1, 0), (5, 5), (60, 41), (3, 400)])
def test_p_is_that_of_the_binomial_distribution(won: int, lost: int) -> None:
    change = np.concatenate([np.ones(won), -np.ones(lost)])
    tail = stats.binom.cdf(min(won, lost), won + lost, 0.5)
    assert wins(change, np.zeros(won + lost)).p == pytest.approx(min(1.0, 2 * tail))


def test_outcomes_that_differ_by_the_order_of_their_sums_are_tied() -> None:
    one, other = np.array([0.1 + 0.2 + 0.3]), np.array([0.3 + 0.2 + 0.1])
    assert one[0] != other[0]
    found = wins(one, other)
    assert (found.won, found.lost, found.tied, found.p) == (0, 0, 1, 1.0)


@pytest.mark.parametrize(("first", "second"), [(np.zeros(2), np.zeros(3)), (np.zeros(0), np.zeros(0))])
def test_what_is_not_paired_is_refused(first: np.ndarray, second: np.ndarray) -> None:
    with pytest.raises(ValueError, match="two equal, filled vectors"):
        wins(first, second)
