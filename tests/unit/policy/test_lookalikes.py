"""Names that can be taken for one another are found out, and others are left alone."""

import pytest

from governd.policy.lookalikes import Claim, Claims, Conflict, skeleton

ALIKE = {
    "upper case": "Git_Commit",
    "camel case": "gitCommit",
    "a hyphen": "git-commit",
    "a dot": "git.commit",
    "a slash": "git/commit",
    "no punctuation": "gitcommit",
    "a trailing underscore": "git_commit_",
    "a space": "git commit",
    "a no-break space": "git\u00a0commit",
    "a zero-width space": "git\u200b_commit",
    "a soft hyphen": "git\u00ad_commit",
    "an override of direction": "git_\u202ecommit",
    "a tag character": "git_commit\U000e0041",
    "an emoji": "git_commit✅",
    "a Cyrillic і": "gіt_commit",
    "a Cyrillic о and с": "git_соmmit",
    "a Greek omicron": "git_cοmmit",
    "a Greek capital mu": "git_coΜΜit",
    "a dotless i": "gıt_commit",
    "full-width letters": "ｇｉｔ_commit",
    "bold letters of mathematics": "𝐠𝐢𝐭_commit",
    "an accent": "gít_commit",
    "a combining accent": "gi\u0301t_commit",
    "an l for an i": "glt_commit",
    "a capital I": "gIt_commit",
    "a one": "g1t_comm1t",
    "a bar": "g|t_commit",
    "an exclamation mark": "g!t_commit",
    "a zero": "git_c0mmit",
    "rn for m": "git_cornmit",
}


@pytest.mark.parametrize("name", ALIKE.values(), ids=ALIKE.keys())
def test_a_name_that_looks_like_another_has_its_skeleton(name: str) -> None:
    assert name != "git_commit"
    assert skeleton(name) == skeleton("git_commit")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("save", "ѕаvе"),
        ("pay", "рау"),
        ("write", "vvrite"),
        ("s3_get", "53_get"),
        ("get_5", "get_s"),
        ("MENU", "ΜΕΝU"),
        ("STRASSE", "straße"),
        ("update", "μpdate"),
    ],
)
def test_look_alikes_of_other_letters(one: str, other: str) -> None:
    assert one != other
    assert skeleton(one) == skeleton(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("git_log", "git_add"),
        ("git_commit", "git_commits"),
        ("read_file", "read_files"),
        ("list_a", "list_b"),
        ("get", "set"),
        ("文件", "文書"),
        ("✅", "🔥"),
        ("-", "_"),
    ],
)
def test_names_that_only_are_similar_are_left_alone(one: str, other: str) -> None:
    assert skeleton(one) != skeleton(other)


def test_a_name_without_letters_is_its_own_skeleton() -> None:
    assert skeleton("--") == "--"


def test_the_skeleton_of_a_very_long_name_is_of_its_beginning() -> None:
    assert skeleton("a" * 256) == skeleton("a" * 2_000)


def test_the_first_claim_stays_and_later_ones_conflict() -> None:
    claims = Claims()
    first = Claim("git", "commit")
    assert claims.add(*first) is None
    assert claims.add("evil", "commit") == Conflict(taken=first)
    assert claims.add("evil", "Commit") == Conflict(resembled=first)
    assert claims.add("third", "commit") == Conflict(first, Claim("evil", "Commit"))
    assert claims.add("git", "log") is None


def test_of_many_claims_the_first_that_differs_is_named() -> None:
    claims = Claims()
    for number in range(100):
        claims.add("git", "x" + "_" * number)
    assert claims.add("git", "x") == Conflict(resembled=Claim("git", "x_"))
    assert claims.add("git", "X") == Conflict(resembled=Claim("git", "x"))
    assert claims.add("evil", "x") == Conflict(Claim("git", "x"), Claim("git", "x_"))
