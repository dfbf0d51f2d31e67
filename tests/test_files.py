import os

import pytest

from keras_vae._files import remove_leftovers, written_atomically


def test_the_file_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "new" / "folder" / "picture.png"
    with written_atomically(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
        assert temporary.parent == path.parent
        assert temporary.suffix == ".png"
    assert path.read_text() == "whole"
    assert os.listdir(path.parent) == ["picture.png"]


def test_an_earlier_file_is_replaced_at_once(tmp_path):
    path = tmp_path / "picture.png"
    path.write_text("old")
    with written_atomically(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


def test_a_failure_keeps_the_earlier_file_and_leaves_nothing_behind(tmp_path):
    path = tmp_path / "picture.png"
    path.write_text("old")

    def write_half():
        with written_atomically(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError("The disk is on fire")

    with pytest.raises(RuntimeError, match="The disk is on fire"):
        write_half()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["picture.png"]


def test_the_file_has_the_permissions_of_an_ordinary_one(tmp_path):
    (tmp_path / "ordinary").write_text("")
    with written_atomically(tmp_path / "atomic") as temporary:
        temporary.write_text("")
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "ordinary").stat().st_mode


def test_a_folder_that_is_a_file_is_an_os_error(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(OSError, match="file"),
        written_atomically(tmp_path / "file" / "picture.png"),
    ):
        pass


def test_only_leftovers_of_this_file_are_removed(tmp_path):
    path = tmp_path / "backup.npz"
    with written_atomically(path) as temporary:
        temporary.write_text("whole")
        # A writer that is killed leaves its temporary file.
        os.link(temporary, temporary.with_name(temporary.name.replace(".backup", ".other")))
        (tmp_path / ".backup-of-my-thesis.npz").write_text("precious")
        kept = {path.name for path in tmp_path.iterdir()} - {temporary.name}
        remove_leftovers(path)
        assert {path.name for path in tmp_path.iterdir()} == kept
        temporary.write_text("whole")
    remove_leftovers(path)
    assert path.exists()
