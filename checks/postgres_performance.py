"""How the database performs, by its own statistics, and what will slow it down or stop it one day."""

from __future__ import annotations

from dataclasses import dataclass, field

from checks.backups import transfer_errors
from checks.contract import Context, Seconds, check
from checks.postgres_asking import GRANT, asking
from checks.postgres_statistics import Statements, Statistics, ask_statements, ask_statistics
from state.clean import clean, shorten
from state.durations import format_duration
from state.verdicts import Outcome
from transfer.postgres import describe_url

_NAMED = 5
_TOP = 3
_FEW_BLOCKS = 1_000  # below, the share that was found in memory says nothing
_ENABLE = (
    "CREATE EXTENSION pg_stat_statements (a server of one's own needs it in shared_preload_libraries, and a restart)"
)


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on something is told: seconds, shares, counts and bytes."""

    slow: float
    calls: int
    cache_hit: float
    dead: float
    dead_rows: int
    sequence: float
    transaction: float
    unused: int
    temp: int


@dataclass(slots=True)
class Findings:
    """WRONG fails, DOUBTS warn; in words."""

    wrong: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)


@check("postgres.performance", timeout="60s", fresh_for="1h")
@transfer_errors
def performance(
    ctx: Context,
    *,
    database_url: str,
    slow: Seconds = Seconds(0.5),  # noqa: B008 (immutable)
    calls: int = 20,
    cache_hit: float = 0.95,
    dead: float = 0.2,
    dead_rows: int = 10_000,
    sequence: float = 0.8,
    transaction: Seconds = Seconds(300.0),  # noqa: B008
    unused: int = 1_048_576,
    temp: int = 1_073_741_824,
) -> Outcome:
    """The database performs: no slow statement, its blocks in memory, its tables clean, its indexes of use.

    It fails for a statement called CALLS times that takes SLOW in the mean, CACHE_HIT not reached, a share DEAD of at
    least DEAD_ROWS dead rows in a table, a transaction longer than TRANSACTION, an invalid index, and a sequence or
    its column past the share SEQUENCE of its range. It warns of indexes of UNUSED bytes or more that nobody used,
    TEMP bytes of temporary files, tables without a primary key, and a server without pg_stat_statements.
    """
    limits = Limits(slow, calls, cache_hit, dead, dead_rows, sequence, transaction, unused, temp)
    with asking(database_url, statement_timeout=20) as cur:
        seen = ask_statistics(cur)
        statements = ask_statements(cur, calls)
    found = findings(seen, statements, limits)
    evidence = {"at": describe_url(database_url)} | _evidence(seen, statements)
    evidence |= {f"finding {n}": one for n, one in enumerate([*found.wrong, *found.doubts][:10], 1)}
    expected = f"no statement over {format_duration(slow)} in the mean, {cache_hit:.0%} of the blocks in memory"
    if found.wrong:
        hint = "EXPLAIN (ANALYZE, BUFFERS) a slow statement; VACUUM (ANALYZE) dead rows; REINDEX what is invalid"
        return Outcome.failed(_listed(found.wrong), expected=expected, evidence=evidence, hint=hint)
    if not seen.tables:
        return Outcome.unknown("the database holds no table", hint="is it the right one?", evidence=evidence)
    if found.hidden:
        return Outcome.unknown(_listed(found.hidden), hint=GRANT, evidence=evidence)
    told = f"{seen.tables} tables, {_share(seen.cache_hit)} of the blocks in memory"
    if found.doubts:
        hint = _ENABLE if statements is None else "decide for each whether it may stay"
        return Outcome.warned(_listed(found.doubts), expected=expected, evidence=evidence, hint=hint)
    return Outcome.passed(told, expected=expected, evidence=evidence)


def findings(seen: Statistics, statements: Statements | None, limits: Limits) -> Findings:
    """What of SEEN and STATEMENTS is beyond LIMITS."""
    found = Findings()
    for one in statements.slowest if statements else ():
        if one.mean >= limits.slow:
            found.wrong.append(f"{one.mean * 1000:,.0f} ms in the mean of {one.calls:,} calls: {one.text}")
    if seen.cache_hit is None or seen.blocks < _FEW_BLOCKS:
        found.doubts.append(f"only {seen.blocks:,} blocks were asked for yet: too few to judge the cache by")
    elif seen.cache_hit < limits.cache_hit:
        found.wrong.append(f"only {seen.cache_hit:.1%} of {seen.blocks:,} blocks were found in memory")
    for table in seen.dead:
        if table.dead >= limits.dead_rows and table.dead >= limits.dead * (table.dead + table.live):
            found.wrong.append(f"table {table.name}: {table.dead:,} dead rows beside {table.live:,} live ones")
    if seen.longest_transaction >= limits.transaction:
        found.wrong.append(f"a transaction is open for {format_duration(round(seen.longest_transaction))}")
    found.wrong += [f"index {name} is invalid" for name in seen.invalid]
    for sequence in seen.sequences:
        if sequence.used >= limits.sequence:
            found.wrong.append(f"sequence {sequence.name} has used {sequence.used:.0%} of its range")
    if statements is None:
        found.doubts.append("pg_stat_statements is not there: nobody counts the statements")
    unused = [f"{name} ({size:,} bytes)" for name, size in seen.unused if size >= limits.unused]
    if unused:
        found.doubts.append(f"indexes that nobody has used: {_listed(unused, ', ')}")
    if seen.temp_bytes >= limits.temp:
        found.doubts.append(
            f"{seen.temp_files:,} temporary files, {seen.temp_bytes:,} bytes: work_mem is small for it"
        )
    if seen.without_key:
        found.doubts.append(f"tables without a primary key: {_listed(list(seen.without_key), ', ')}")
    if seen.hidden:
        found.hidden.append(f"{seen.hidden} sessions of other roles hide their transactions")
    return found


def _listed(words: list[str], between: str = "; ") -> str:
    more = f" and {len(words) - _NAMED} more" if words[_NAMED:] else ""
    return between.join(words[:_NAMED]) + more


def _share(value: float | None) -> str:
    return "none yet" if value is None else f"{value:.1%}"


def _evidence(seen: Statistics, statements: Statements | None) -> dict[str, object]:
    evidence: dict[str, object] = {
        "counted_since": seen.since or "the server began",
        "tables": seen.tables,
        "database_bytes": seen.size,
        "cache_hit": round(seen.cache_hit, 4) if seen.cache_hit is not None else "no block was read yet",
        "blocks": seen.blocks,
        "dead_rows": seen.dead_rows,
        "temp_files": seen.temp_files,
        "temp_bytes": seen.temp_bytes,
        "longest_transaction_s": round(seen.longest_transaction, 1),
        "unused_indexes": len(seen.unused),
        "invalid_indexes": len(seen.invalid),
        "without_primary_key": len(seen.without_key),
    }
    if seen.sequences:
        most = seen.sequences[0]
        evidence["fullest_sequence"] = f"{shorten(clean(most.name), 80)} {most.used:.2%}"
    if statements is None:
        return evidence | {"statements": "pg_stat_statements is not there"}
    evidence["statements"] = statements.counted
    for n, one in enumerate(statements.slowest[:_TOP], 1):
        evidence[f"slowest {n}"] = f"{one.mean * 1000:.1f} ms × {one.calls:,}: {one.text}"
    return evidence
