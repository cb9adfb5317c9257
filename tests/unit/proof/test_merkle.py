"""RFC 6962 trees against the standard's roots and Google's proofs, good and bad."""

from __future__ import annotations

import base64
import json

import pytest

from archiver.proof import merkle

# The leaves and roots of the reference implementation's own test (certificate-transparency, merkle_tree_test.cc).
LEAVES = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
HASHES = [merkle.leaf_hash(leaf) for leaf in LEAVES]


def slow_root(hashes):
    """MTH of RFC 6962 section 2.1, word for word."""
    if not hashes:
        return merkle.EMPTY_ROOT
    if len(hashes) == 1:
        return hashes[0]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return merkle.node_hash(slow_root(hashes[:split]), slow_root(hashes[split:]))


@pytest.mark.parametrize("size", range(9))
def test_the_roots_of_the_reference_implementation_are_ours(size):
    assert merkle.root_of(HASHES[:size]).hex() == ROOTS[size]


def test_the_empty_tree_has_the_hash_of_nothing():
    assert merkle.EMPTY_ROOT.hex() == ROOTS[0]


@pytest.mark.parametrize("size", range(1, 70))
def test_levels_and_the_recursive_definition_and_the_frontier_agree(size):
    hashes = [merkle.leaf_hash(bytes([number])) for number in range(size)]
    frontier = merkle.Frontier()
    for value in hashes:
        frontier.append(value)
    assert merkle.root_of(hashes) == slow_root(hashes) == frontier.root()


@pytest.mark.parametrize("size", range(1, 33))
def test_every_leaf_of_every_small_tree_is_proved_in_its_place_and_in_no_other(size):
    hashes = [merkle.leaf_hash(bytes([number])) for number in range(size)]
    root = merkle.root_of(hashes)
    for index in range(size):
        path = merkle.inclusion_path(hashes, index)
        merkle.verify_inclusion(hashes[index], index, size, path, root)
        for other in set(range(size)) - {index}:
            with pytest.raises(merkle.ProofError):
                merkle.verify_inclusion(hashes[index], other, size, path, root)


@pytest.mark.parametrize("size", range(1, 33))
def test_every_small_tree_is_proved_to_continue_each_smaller_one(size):
    hashes = [merkle.leaf_hash(bytes([number])) for number in range(size)]
    root = merkle.root_of(hashes)
    for first in range(1, size + 1):
        path = merkle.consistency_path(hashes, first)
        first_root = merkle.root_of(hashes[:first])
        merkle.verify_consistency(first, first_root, size, root, path)
        for bad in (path[:-1], [*path, root]) if path else ([root],):
            with pytest.raises(merkle.ProofError):
                merkle.verify_consistency(first, first_root, size, root, bad)
        with pytest.raises(merkle.ProofError):
            merkle.verify_consistency(first, merkle.leaf_hash(b"forged"), size, root, path)
        with pytest.raises(merkle.ProofError):
            merkle.verify_consistency(first, first_root, size, merkle.leaf_hash(b"forged"), path)


def test_the_consistency_proofs_of_rfc_6962_section_2_1_3_have_the_nodes_named_there():
    a, b, c, d, e, f, j = HASHES[:7]
    g, h, i = merkle.node_hash(a, b), merkle.node_hash(c, d), merkle.node_hash(e, f)
    k, last = merkle.node_hash(g, h), merkle.node_hash(i, j)
    assert merkle.consistency_path(HASHES[:7], 3) == [c, d, g, last]
    assert merkle.consistency_path(HASHES[:7], 4) == [last]
    assert merkle.consistency_path(HASHES[:7], 6) == [i, j, k]


def test_nothing_is_proved_about_an_empty_first_tree():
    with pytest.raises(merkle.ProofError, match="between 1 and 8"):
        merkle.verify_consistency(0, merkle.EMPTY_ROOT, 8, merkle.root_of(HASHES), [])


def test_a_first_tree_larger_than_the_second_is_refused():
    with pytest.raises(merkle.ProofError):
        merkle.verify_consistency(8, merkle.root_of(HASHES), 7, merkle.root_of(HASHES[:7]), [])


def test_hashes_of_another_length_are_refused():
    root = merkle.root_of(HASHES)
    path = merkle.inclusion_path(HASHES, 0)
    with pytest.raises(merkle.ProofError, match="32 bytes"):
        merkle.verify_inclusion(HASHES[0], 0, 8, [path[0][:31], *path[1:]], root)


def test_a_frontier_continues_from_its_state():
    whole = merkle.Frontier()
    for value in HASHES[:5]:
        whole.append(value)
    kept = merkle.Frontier.from_hashes(whole.size, whole.hashes)
    kept.append(HASHES[5])
    assert (kept.size, kept.root().hex()) == (6, ROOTS[6])
    assert whole.root().hex() == ROOTS[5]


def test_a_frontier_stays_as_it_is_where_another_one_is_grown():
    leaves = [merkle.leaf_hash(bytes([number])) for number in range(9)]
    for size in range(len(leaves)):
        frontier = merkle.Frontier()
        frontier.extend(leaves[:size])
        grown = frontier.grown(leaves[size])
        assert (grown.size, grown.root()) == (size + 1, merkle.root_of(leaves[: size + 1]))
        assert (frontier.size, frontier.root()) == (size, merkle.root_of(leaves[:size]))


def test_a_frontier_refuses_many_leaves_of_which_one_is_no_hash():
    frontier = merkle.Frontier()
    with pytest.raises(merkle.ProofError, match="32 bytes"):
        frontier.extend([*HASHES, b"short"])
    assert frontier.size == 0


@pytest.mark.parametrize(("size", "count"), [(0, 1), (3, 1), (4, 3), (-1, 0)])
def test_a_state_that_no_tree_of_that_size_has_is_refused(size, count):
    with pytest.raises(merkle.ProofError):
        merkle.Frontier.from_hashes(size, HASHES[:count])


def test_a_path_beyond_the_tree_cannot_be_asked_for():
    with pytest.raises(IndexError):
        merkle.inclusion_path(HASHES, 8)
    with pytest.raises(IndexError):
        merkle.consistency_path(HASHES, 0)


def test_all_inclusion_vectors_of_transparency_dev_get_their_verdict(shared_data):
    files = sorted((shared_data / "vectors/merkle/inclusion").rglob("*.json"))
    verdicts = {str(file): is_included(json.loads(file.read_bytes())) for file in files}
    expected = {str(file): not json.loads(file.read_bytes())["wantErr"] for file in files}
    assert len(files) == 98
    assert verdicts == expected


def is_included(vector):
    path = [base64.b64decode(value) for value in vector["proof"] or []]
    leaf, root = (base64.b64decode(vector[name] or "") for name in ("leafHash", "root"))
    try:
        merkle.verify_inclusion(leaf, vector["leafIdx"], vector["treeSize"], path, root)
    except merkle.ProofError:
        return False
    return True
