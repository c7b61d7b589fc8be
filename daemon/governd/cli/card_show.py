"""``governd card show``: what governd reads in a card."""

from collections.abc import Iterator
from pathlib import Path

import click
from rich.console import RenderableType

from governd.cli import options, output
from governd.cli.failure import NO, Failure
from governd.cli.tool_visible import visible
from governd.errors import CardError
from governd.kya.card import AgentCard, CardLimits
from governd.kya.card_reader import FIELD, read_card

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command(short_help="Show what governd reads in an agent card.")
@click.argument("file", type=FILE)
@options.as_json()
def show(*, file: Path, as_json: bool) -> None:
    """Read an agent card strictly, and show what it says and its digest. Verifies nothing.

    Exit code:
      0 shown, 1 governd would refuse the card, 2 usage.

    JSON:
      name, version, provider, protocol_version, interfaces (each with url, binding, tenant),
      skills, signatures (how many), digest.

    Examples:
      governd card show agent-card.json
      governd card show agent-card.json --json | jq -r .digest
    """
    card = read(file)
    if as_json:
        output.show_json(to_json(card))
    else:
        output.show(output.facts(facts(card)))


def read(file: Path) -> AgentCard:
    """The card in a file.

    Raises:
        Failure: It is none that governd takes.
    """
    limits = CardLimits()
    try:
        with file.open("rb") as opened:
            return read_card(opened.read(limits.max_bytes + 1), limits=limits)
    except OSError as error:
        message = f"cannot read {file}: {(error.strerror or str(error)).lower()}"
        raise Failure(message, exit_code=NO) from error
    except CardError as error:
        message = f"{file}: {str(error).removeprefix(FIELD).lstrip('.: ')}"
        raise Failure(message, exit_code=NO) from error


def to_json(card: AgentCard) -> dict[str, object]:
    """The card under stable keys."""
    return {
        "name": card.name,
        "version": card.version,
        "provider": card.provider,
        "protocol_version": card.dialect.value,
        "interfaces": [one._asdict() for one in card.interfaces],
        "skills": list(card.skills),
        "signatures": len(card.signatures),
        "digest": card.digest,
    }


def facts(card: AgentCard) -> Iterator[tuple[str, RenderableType]]:
    """The card, row by row."""
    named = f"{visible(card.name)} {visible(card.version)}"
    yield "card", output.text(f"{named}, A2A {card.dialect.value}", output.STRONG)
    yield "provider", visible(card.provider) or "-"
    for one in card.interfaces:
        yield "reached at", visible(f"{one.url}  {one.binding}  {one.tenant}".rstrip())
    yield "skills", visible(", ".join(card.skills)) or "-"
    yield "signatures", str(len(card.signatures))
    yield "digest", card.digest
