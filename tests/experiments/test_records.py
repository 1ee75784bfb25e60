"""The file of results survives a crash at any byte, and tables take the right lines of it."""

import pytest

from ddan_torchreid.experiments import records


def record(row, seed, digest="a", experiment="table5", **more):
    return {"experiment": experiment, "row": row, "seed": seed, "digest": digest, **more}


def test_a_file_cut_off_at_any_byte_is_read_and_continued(tmp_path):
    lines = [record("identity", 1), record("triplet", 1, label="über")]
    for line in lines:
        records.append(tmp_path, line)
    assert records.read(tmp_path) == lines
    path = tmp_path / records.FILE
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for length in range(first, len(whole)):
        path.write_bytes(whole[:length])
        assert records.read(tmp_path) == lines[:1]
        records.append(tmp_path, lines[1])
        assert path.read_bytes() == whole


def test_no_file_is_no_records(tmp_path):
    assert records.read(tmp_path) == []


def test_a_damaged_line_in_the_middle_is_named(tmp_path):
    (tmp_path / records.FILE).write_text('{"row": 1}\n{"row"\n{"row": 3}\n')
    with pytest.raises(ValueError) as error:
        records.read(tmp_path)
    assert "line 2 is no JSON object" in str(error.value)


def test_what_json_does_not_know_is_not_written(tmp_path):
    with pytest.raises(ValueError):
        records.append(tmp_path, record("identity", 1, seconds=float("nan")))
    assert records.read(tmp_path) == []


def test_the_newest_line_of_the_current_digest_counts():
    lines = [
        record("b", 1, "old", n=0), record("a", 2, "x", n=1), record("a", 1, "x", n=2),
        record("b", 2, "new", n=3), record("a", 1, "x", n=4), record("a", 1, "y", "table1", n=5),
    ]  # fmt: skip
    lines = [{**line, "place": "ab".index(line["row"])} for line in lines]
    assert [each["n"] for each in records.newest(lines, "table5")] == [4, 1, 3]
    chosen = records.newest(lines, "table5", {"a": "x", "b": "old"})
    assert [each["n"] for each in chosen] == [4, 1, 0]
    assert records.newest(lines, "table5", {"c": "x"}) == []


def test_the_newest_record_of_a_row_counts_wherever_it_stands_in_its_table():
    """Figure 3 has fewer rows at a smaller scale, so a row moves up when it is made again there."""
    lines = [record("tau", 1, "old", place=11), record("tau", 1, "new", place=8)]
    assert [each["digest"] for each in records.newest(lines, "table5")] == ["new"]
    assert [each["digest"] for each in records.newest(lines[::-1], "table5")] == ["old"]
