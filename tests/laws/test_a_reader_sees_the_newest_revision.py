from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hypothesis import event, given, settings
from hypothesis import strategies as st

from supervisor.errors import Refused
from supervisor.tree import Tree
from tests.laws.folders import Files, Folder, files_of, folders, found_in, make, passing_folder, wanted
from tests.rooms.building import everything, generations, opened, snapshot

RESTART = None
steps = st.lists(wanted | st.just(RESTART), min_size=1, max_size=6)


class Expected:
    """What a reader should find: the newest revision that could be published, and what came with the image."""

    def __init__(self, image: Folder) -> None:
        self._image = image
        self.files: Files = {}

    def found(self) -> Files:
        """Every file by its path."""
        return {**dict(files_of(self._image)), **self.files}

    def publish(self, files: Files) -> bool:
        """Whether the image lets these files be; if so they are the newest, and those of the image at their places are gone."""
        hidden = [self._hidden_by(path) for path in files]
        if not all(can_be for can_be, _ in hidden):
            return False
        for folder in (folder for _, folder in hidden if folder is not None):
            folder[0].pop(folder[1], None)
        self.files = files
        return True

    def _hidden_by(self, path: str) -> tuple[bool, tuple[Folder, str] | None]:
        """Whether a file can be at this path, and the file of the image that it hides, as folder and name."""
        folder = self._image
        *above, name = path.split("/")
        for part in above:
            if part not in folder:
                return True, None
            if not isinstance(folder[part], dict):
                return False, None
            folder = folder[part]
        return not isinstance(folder.get(name), dict), (folder, name)


@settings(max_examples=300)
@given(image=folders, steps=steps)
def test_whatever_is_published_one_after_another(image: Folder, steps: Sequence[Files | None]) -> None:
    """A plain reader finds exactly the newest revision and the files of others; nothing outside changes; little is left over."""
    with passing_folder() as place:
        root, outside = place / "config", place / "outside"
        make(image, root)
        make({"precious": "1", "a": {"b": "2"}}, outside)
        before = everything(outside)
        expected = Expected(image)
        follow(root, expected, steps)

        assert everything(outside) == before
        assert set(place.iterdir()) == {root, outside}
        assert len(generations(root)) <= 2


def follow(root: Path, expected: Expected, steps: Sequence[Files | None]) -> None:
    """Publish one after another, and look after each. Between two restarts there is one tree."""
    rest = list(steps)
    while True:
        with opened(root) as tree:
            assert found_in(root) == expected.found()
            while rest and (files := rest.pop(0)) is not RESTART:
                publish(tree, expected, files)
                assert found_in(root) == expected.found()
        if not rest:
            return


def publish(tree: Tree, expected: Expected, files: Files) -> None:
    """As sync does it: what is refused is discarded."""
    new = snapshot(files)
    staged = tree.stage(new)
    if expected.publish(files):
        tree.publish(staged)
        assert tree.live
        assert tree.live.revision == new.revision
    else:
        event("refused")
        try:
            tree.publish(staged)
        except Refused:
            tree.discard(staged)
        else:
            raise AssertionError(f"{files} should have been refused")
    tree.prune()
