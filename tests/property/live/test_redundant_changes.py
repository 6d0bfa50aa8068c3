"""What a compaction takes out, against what builds make of the journal with and without it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lsh_core.builds.journal_position import JournalPosition
from lsh_core.live.compaction import Redundant
from lsh_core.live.journal import Entry, Kind

YOUNG, REPEATABLE = 1_000, 100
KINDS: tuple[Kind, ...] = ("upsert", "delete", "upsert", "delete", "upsert", "mark", "sweep")

CHANGES = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.sampled_from(KINDS),
        st.integers(-1, 20),
        st.sampled_from([50, 500, 500, 500, 1_500]),
        st.sampled_from(["once-", "once-", "own-"]),
    ),
    max_size=25,
)


def journal(changes: list[tuple[str, Kind, int, int, str]]) -> list[Entry]:
    """Entries at consecutive positions, some of which count as older, each with its time."""
    return [
        Entry(f"{key}{position}", each, kind, None, each, position, position if older < 0 else min(older, position), at)
        for position, (each, kind, older, at, key) in enumerate(changes)
    ]


def taken_out(entries: list[Entry], watermark: int) -> set[str]:
    redundant = Redundant(watermark=JournalPosition(watermark), young=YOUNG, repeatable=REPEATABLE)
    for start in range(0, len(entries), 3):
        redundant.add(entries[start : start + 3])
    return {entry.key for start in range(0, len(entries), 5) for entry in redundant.among(entries[start : start + 5])}


def outcome(entries: list[Entry]) -> dict[str, tuple[Kind, int]]:
    """What a build holds after a replay: of each id the change with the greatest position, deletes remembered."""
    held: dict[str, tuple[Kind, int]] = {}
    for entry in entries:
        if entry.changes_document and (entry.id not in held or entry.effective_position >= held[entry.id][1]):
            held[entry.id] = entry.kind, entry.effective_position
    return held


def stays(entry: Entry) -> bool:
    return entry.at >= (REPEATABLE if entry.kind == "mark" or entry.key.startswith("own-") else YOUNG)


@given(CHANGES)
def test_every_replay_comes_to_the_same_end(changes: list[tuple[str, Kind, int, int, str]]) -> None:
    entries = journal(changes)
    gone = taken_out(entries, watermark=-1)
    kept = [entry for entry in entries if entry.key not in gone]

    assert outcome(kept) == outcome(entries)
    last: dict[tuple[str, bool], Entry] = {}
    for entry in entries:
        if entry.at < YOUNG and entry.kind != "mark":
            best = last.setdefault((entry.id, entry.changes_document), entry)
            last[entry.id, entry.changes_document] = max(
                best, entry, key=lambda each: (each.effective_position, each.position)
            )
    for entry in entries:
        if entry.kind == "mark":
            assert (entry.key in gone) == (entry.at < REPEATABLE)
        elif entry.kind == "sweep":
            newest = last.get((entry.id, False))
            assert (entry.key in gone) == (
                not stays(entry) and newest is not None and newest.effective_position > entry.effective_position
            )
        else:
            assert (entry.key in gone) == (not stays(entry) and last[entry.id, True] is not entry)
    # Done and done again: nothing else goes.
    assert taken_out(kept, watermark=-1) == set()


@given(CHANGES, st.integers(0, 25), st.sets(st.integers(0, 25)))
def test_what_is_not_covered_outlives_any_part_of_a_compaction(
    changes: list[tuple[str, Kind, int, int, str]], watermark: int, undone: set[int]
) -> None:
    entries = journal(changes)
    gone = taken_out(entries, watermark)
    killed = {key for number, key in enumerate(sorted(gone)) if number not in undone}
    changed = [entry for entry in entries if entry.changes_document]
    uncovered = {entry.id for entry in changed if entry.position > watermark}
    for part in (gone, killed):
        held, wanted = outcome([entry for entry in entries if entry.key not in part]), outcome(entries)
        for each in uncovered:
            assert held[each] == wanted[each]
    assert [entry for entry in entries if entry.key in gone and stays(entry)] == []
    # A mark that stays holds back what follows it; all else that is covered goes.
    first_mark = min((entry.position for entry in entries if entry.kind == "mark" and stays(entry)), default=99)
    needed = {entry.id for entry in changed if entry.position > min(watermark, first_mark - 1) or stays(entry)}
    assert [entry for entry in changed if entry.id not in needed and entry.key not in gone] == []
