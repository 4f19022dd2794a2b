from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import event, example, given
from hypothesis import strategies as st

from supervisor.errors import Refused
from supervisor.items import lay_out
from supervisor.settings import FileSettings
from tests.laws.conftest import CASES
from tests.laws.folders import make, passing_folder
from tests.rooms.building import everything, opened, wanted

HOSTILE = ["..", ".", "/", "\0", "..data", "..x", "~", "\\", "\n", " ", "outside", "\ud800", "\udcff", "ü", "x" * 86, "/" * 3]
parts = st.sampled_from(HOSTILE) | st.text(st.characters(codec=None), max_size=3)
keys = st.lists(parts, max_size=15).map("".join)


@pytest.mark.fuzz("keys that lead elsewhere", "refused, or a file below the configroot; nothing outside changes", CASES)
@given(keys=st.lists(keys, min_size=1, max_size=3, unique=True))
@example(keys=["../outside/precious"])
@example(keys=["..data"])
@example(keys=["a/../../outside/precious"])
@example(keys=["\ud800"])
def test_whatever_a_key_is_called(keys: list[str]) -> None:
    """It is refused, or its file lies below the configroot with its content; nothing outside is written or removed."""
    with passing_folder() as place:
        root, outside = place / "config", place / "outside"
        make({"precious": "1"}, outside)
        before = everything(outside)
        published = publish(root, keys)
        event(f"published {published}")

        assert everything(outside) == before
        assert set(os.listdir(place)) <= {"config", "outside"}
        for key in keys if published else []:
            path = os.path.realpath(root / key)
            assert os.path.commonpath([path, root]) == str(root)
            assert Path(path).read_bytes() == b"written"


def publish(root: Path, keys: list[str]) -> bool:
    """Lay out, stage, publish; whether none of them refused."""
    with opened(root) as tree:
        try:
            tree.publish(tree.stage(lay_out([wanted(dict.fromkeys(keys, "written"))], FileSettings(str(root)))))
        except Refused:
            return False
        return True
