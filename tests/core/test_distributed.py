"""Several processes are what torchrun started, and nothing else in the environment is."""

from __future__ import annotations

import os

import pytest

from patent_embeddings.core import distributed

TORCHRUN = {
    "RANK": "3",
    "WORLD_SIZE": "4",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "2",
    "MASTER_ADDR": "node0",
    "MASTER_PORT": "29500",
    "TORCHELASTIC_RUN_ID": "none",
}
FOREIGN = {
    "OMPI_COMM_WORLD_RANK": "1",
    "OMPI_COMM_WORLD_SIZE": "2",
    "PMI_SIZE": "2",
    "MV2_COMM_WORLD_SIZE": "2",
    "ACCELERATE_MIXED_PRECISION": "fp16",
    "ACCELERATE_USE_CPU": "true",
}
READ = ["RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", *FOREIGN]


@pytest.fixture(autouse=True)
def nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*TORCHRUN, *FOREIGN]:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    "found",
    [
        {"RANK": "1"},
        {"WORLD_SIZE": "2"},
        {"LOCAL_RANK": "1"},
        {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "MASTER_ADDR": "localhost", "MASTER_PORT": "29500"},
        FOREIGN,
        TORCHRUN | {"TORCHELASTIC_RUN_ID": ""},
        TORCHRUN | {"MASTER_ADDR": ""},
        TORCHRUN | {"RANK": "4"},
        TORCHRUN | {"WORLD_SIZE": "0"},
        TORCHRUN | {"LOCAL_RANK": "2"},
        TORCHRUN | {"LOCAL_WORLD_SIZE": "8"},
        TORCHRUN | {"RANK": "first"},
        TORCHRUN | {"RANK": "-1"},
        TORCHRUN | {"WORLD_SIZE": ""},
    ],
    ids=str,
)
def test_what_torchrun_did_not_set_is_taken_out_and_said_once(
    found: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    assert (distributed.rank(), distributed.count()) == (0, 1)
    assert not [name for name in READ if name in os.environ]
    (line,) = capsys.readouterr().err.splitlines()
    assert line.split(": ")[0].split(", ") == sorted(name for name in READ if name in found)


def test_torchrun_is_followed_and_mpi_s_ranks_beside_it_are_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in TORCHRUN.items():
        monkeypatch.setenv(name, value)
    assert (distributed.rank(), distributed.count()) == (3, 4) and capsys.readouterr().err == ""
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "7")
    assert (distributed.rank(), distributed.count()) == (3, 4) and "OMPI_COMM_WORLD_SIZE" not in os.environ
    assert TORCHRUN.items() <= dict(os.environ).items()


def test_nothing_is_said_where_there_is_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert (distributed.rank(), distributed.count()) == (0, 1) and capsys.readouterr().err == ""
