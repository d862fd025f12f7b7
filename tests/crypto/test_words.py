"""French words: the library's own seed, however people type them; wrong ones refused without naming them."""

import json
import unicodedata

import pytest
from mnemonic import Mnemonic

from chain.crypto import ed25519, slip10, words
from chain.crypto.slip10 import Domain
from chain.crypto.words import UnknownWords, make_words, read_words, seed_of
from tests.vectors.runner import shared_folder

FILE = shared_folder() / "vectors" / "identity" / "bip39_french_slip10_domains.json"
KIT = make_words(bytes(range(16)))


def bare(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


@pytest.mark.skipif(not FILE.exists(), reason=f"no {FILE}")
def test_every_supplied_kit_gives_its_keys_however_it_is_typed() -> None:
    """From the words alone to all 42 public keys; with accents and without."""
    keys = 0
    for case in json.loads(FILE.read_text()):
        kit = case["mnemonic_nfc"]
        typings = {kit, unicodedata.normalize("NFD", kit)}
        if len(kit.split()) == words.WORDS:
            typings |= {read_words(bare(kit)), read_words(bare(kit).upper())}
        seeds = {seed_of(typed).hex() for typed in typings}
        assert seeds == {case["seed"]}
        for name, expected in case["keys"].items():
            path = slip10.domain_path(Domain[name.upper()])
            key = slip10.derive(bytes.fromhex(case["seed"]), path)
            assert ed25519.derive_public(key).hex() == expected["pk"]
            keys += 1
    assert keys >= 42


def test_the_first_four_letters_name_every_word_of_the_list() -> None:
    assert len(words._by_start()) == 2_048


def test_all_2048_words_are_found_without_accents() -> None:
    for word in Mnemonic("french").wordlist:
        assert words._find(bare(word).upper()) == word


@pytest.mark.parametrize(
    "typed",
    [
        KIT,
        unicodedata.normalize("NFD", KIT),
        bare(KIT),
        bare(KIT).upper(),
        "  " + bare(KIT).title().replace(" ", "\n ") + "\t",
        " ".join(bare(word)[:4] for word in KIT.split()),
    ],
    ids=["as shown", "decomposed", "no accents", "capitals", "blanks", "four letters"],
)
def test_a_kit_is_read_as_people_type_it(typed: str) -> None:
    assert read_words(typed) == KIT


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        (KIT.rpartition(" ")[0], "11 words"),
        (KIT + " abaisser", "13 words"),
        ("", "0 words"),
        (KIT.replace(KIT.split()[4], "xyzzy"), "word 5"),
        (" ".join(reversed(KIT.split())), "order"),
        ("a" * 1_001, "too long"),
    ],
)
def test_what_is_no_kit_is_refused_without_naming_a_word(typed: str, why: str) -> None:
    with pytest.raises(UnknownWords, match=why) as refused:
        read_words(typed)
    assert not any(word in str(refused.value).split() for word in KIT.split())


def test_a_word_that_only_begins_right_is_not_taken_for_it() -> None:
    """`abaisser` is meant by `abai` and by itself, not by `abaissement`."""
    assert words._find("abai") == words._find("ABAISSER") == "abaisser"
    assert words._find("abaissement") == ""


def test_entropy_of_another_size_makes_no_words() -> None:
    with pytest.raises(ValueError, match="entropy"):
        make_words(bytes(15))
