"""The model card: what a model is for, how good it is, what it was made from, where it ends.

The card is data (``card.json``); its text (``card.md``) is written from it and the manifest. After
Mitchell et al., Model Cards for Model Reporting, FAT* 2019, https://doi.org/10.1145/3287560.3287596.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from msgspec import Struct

from evitals.models.manifest import Manifest, Metric, Range, Text


class Source(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Public data the model was made from: whom to cite, and how its licence is understood."""

    title: Text
    citation: Text
    doi: Text = ""
    licence: Text = ""


class Card(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What people wrote about a model."""

    title: Text
    purpose: Text
    method: Text = ""
    limits: tuple[Text, ...] = ()
    not_for: tuple[Text, ...] = ()
    sources: tuple[Source, ...] = ()
    contact: Text = ""


def markdown(card: Card, manifest: Manifest) -> str:
    """The card as Markdown, with the manifest's numbers."""
    lines = [
        f"# {_plain(card.title)}",
        "",
        _plain(card.purpose),
        "",
        *_about(manifest),
        *_section("Method", [_plain(card.method)] if card.method else []),
        *_section("Signals", _signals(manifest)),
        *_section("Scores", _scores(manifest.metrics)),
        *_section("Made from", [*_sources(card.sources), *_lineage(manifest)]),
        *_section("Limits", _items(card.limits)),
        *_section("Not for", _items(card.not_for)),
        *_section("Contact", [_plain(card.contact)] if card.contact else []),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _about(manifest: Manifest) -> list[str]:
    step = manifest.step
    steps = f"{step.nominal_s:g} s" + (
        f" ({step.low_s:g} to {step.high_s:g} s)" if step.low_s < step.high_s else ""
    )
    capacity = manifest.reference_capacity_ah
    rows = [
        ("model", f"{manifest.id} {manifest.version}, {manifest.kind}"),
        ("digest", f"`{manifest.digest}`") if manifest.digest else None,
        ("level", manifest.level),
        ("cell", f"{manifest.cell} ({manifest.chemistry})".strip()),
        ("reference capacity", f"{capacity:g} Ah") if capacity else None,
        ("step", steps),
    ]
    return _table(("", ""), [row for row in rows if row])


def _signals(manifest: Manifest) -> list[str]:
    def row(direction: str, signal: Range) -> tuple[str, ...]:
        return direction, f"`{signal.name}`", signal.unit, f"{signal.low:g}", f"{signal.high:g}"

    rows = [row("in", signal) for signal in manifest.inputs] + [row("out", manifest.output)]
    return _table(("", "signal", "unit", "from", "to"), rows)


def _scores(metrics: Sequence[Metric]) -> list[str]:
    if not metrics:
        return ["No score is stated: nobody has shown how wrong this model is."]
    rows = [
        (
            m.name, f"{m.value:.4g} {m.unit}", m.where, m.on,
            "–" if m.baseline is None else f"{m.baseline:.4g} {m.unit} {m.baseline_name}".rstrip(),
        )
        for m in metrics
    ]  # fmt: skip
    return _table(("score", "value", "where", "on", "baseline"), rows)


def _sources(sources: Iterable[Source]) -> list[str]:
    lines = []
    for source in sources:
        text = f"- {source.title}. {source.citation}"
        text += f" https://doi.org/{source.doi}" if source.doi else ""
        text += f" Licence understood to be {source.licence}." if source.licence else ""
        lines.append(_plain(text))
    return lines


def _lineage(manifest: Manifest) -> list[str]:
    lineage = manifest.lineage
    counts = Counter(file.role for file in lineage.files)
    facts = [
        *(f"{n} {role} files" for role, n in sorted(counts.items())),
        f"seed {lineage.seed}" if lineage.seed is not None else "",
        f"job {lineage.job}" if lineage.job else "",
        f"code {lineage.code}" if lineage.code else "",
    ]
    said = ", ".join(fact for fact in facts if fact)
    return [f"- {_plain(said)}; the manifest lists each file's digest"] if said else []


def _items(texts: Iterable[str]) -> list[str]:
    return [f"- {_plain(text)}" for text in texts]


def _section(title: str, lines: list[str]) -> list[str]:
    return [f"## {title}", "", *"\n".join(lines).rstrip().split("\n"), ""] if lines else []


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(_plain(cell).replace('|', chr(92) + '|') for cell in cells)} |"

    return [line(header), f"|{'---|' * len(header)}", *map(line, rows), ""]


def _plain(text: str) -> str:
    """One line, no HTML: a card is shown in a page."""
    return " ".join(text.split()).replace("<", "&lt;")
