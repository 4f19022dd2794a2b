from __future__ import annotations

from itertools import cycle

from hypothesis import given
from hypothesis import strategies as st

from supervisor.model import File, Origin, Snapshot
from tests.laws.folders import Files, wanted

modes = st.sampled_from([0o666, 0o640])


def snapshot(files: list[tuple[str, str]], mode: int, origins: int = 1) -> Snapshot:
    """These files in this order, dealt out to so many origins."""
    parts: list[tuple[Origin, list[File]]] = [(Origin("ConfigMap", "", str(number), "7"), []) for number in range(origins)]
    for (path, content), (_, part) in zip(files, cycle(parts), strict=False):
        part.append(File(path, content.encode(), mode))
    return Snapshot(parts)


@given(one=wanted, other=wanted, modes=st.tuples(modes, modes))
def test_revisions_are_equal_if_and_only_if_contents_are(one: Files, other: Files, modes: tuple[int, int]) -> None:
    """Paths, bytes and permission bits; with no file there is no mode to tell apart."""
    revisions = [snapshot(list(files.items()), mode).revision for files, mode in zip((one, other), modes, strict=True)]

    assert (revisions[0] == revisions[1]) == (one == other and (modes[0] == modes[1] or not one))


@given(data=st.data(), files=wanted, origins=st.integers(1, 3))
def test_a_revision_knows_neither_order_nor_origin(data: st.DataObject, files: Files, origins: int) -> None:
    """The same files from one ConfigMap or from several, in whatever order they come."""
    shuffled = data.draw(st.permutations(list(files.items())))

    assert snapshot(shuffled, 0o666, origins).revision == snapshot(list(files.items()), 0o666).revision


@given(parts=st.lists(st.text("ab/\0", max_size=3), min_size=2, max_size=4))
def test_no_content_can_be_shifted_between_name_and_file(parts: list[str]) -> None:
    """`a` with content `b` is not `ab` with no content, however the bytes are cut."""
    text = "".join(parts)
    cuts = [("f" + text[:cut].replace("/", "-").replace("\0", "-"), text[cut:]) for cut in range(len(text) + 1)]

    revisions = {snapshot([cut], 0o666).revision for cut in cuts}
    assert len(revisions) == len(set(cuts))
