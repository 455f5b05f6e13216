"""A year of flights from New York: one report, of the year, of each airline, and of each of its routes.

    python flights.py --data FOLDER --out FOLDER [--engine spark --master MASTER]

`report` is an ordinary function of a dataset of flights. Applied to all flights it gives one value;
applied to the groups of a table, however deep, it gives one for each group, and nothing in it changes.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tables import heading, show, show_stages

import nestflow as nf
from nestflow import transforms as T

if TYPE_CHECKING:
    from nestflow import PCollection, Pipeline, PObject

# A flight is a tuple of these fields.
AIRLINE, DESTINATION, AIRCRAFT, DEPARTURE_DELAY, ARRIVAL_DELAY = range(5)

# What `report` gives.
COLUMNS = ["flights", "cancelled", "aircraft", "mean arrival delay", "longest departure delays"]


def report(flights: PCollection) -> PObject:
    """Put what is worth knowing about some flights into one tuple."""
    cancelled = flights.filter(lambda flight: flight[DEPARTURE_DELAY] is None)
    departures = flights.map(lambda flight: flight[DEPARTURE_DELAY]).filter(is_known)
    arrivals = flights.map(lambda flight: flight[ARRIVAL_DELAY]).filter(is_known)
    return T.make_tuple(
        flights.count(),
        cancelled.count(),
        count_aircraft(flights),
        mean(arrivals),
        departures.max_elements(3).apply(T.to_list_pobject),
    )


def count_aircraft(flights: PCollection) -> PObject:
    """Count different aircraft."""
    return flights.map(lambda flight: flight[AIRCRAFT]).filter(is_known).distinct().count()


def mean(numbers: PCollection) -> PObject:
    """Give the mean of numbers, None of no numbers; parts are added up where they lie."""
    totals = numbers.aggregate(
        (0, 0), lambda total, x: (total[0] + x, total[1] + 1), lambda a, b: (a[0] + b[0], a[1] + b[1])
    )
    return totals.map(lambda total: total[0] / total[1] if total[1] else None)


def is_known(field: Any) -> bool:
    """Say whether a field has a value."""
    return field is not None


def read_flights(pipeline: Pipeline, path: str) -> PCollection:
    """Read the flights of a CSV file; a cancelled one has no delays."""

    def flight(line: str) -> tuple[Any, ...]:
        row = [None if field in ("", "NA") else field for field in line.split(",")]
        minutes = [None if field is None else int(field) for field in (row[5], row[8])]
        return row[9], row[13], row[11], *minutes

    lines = pipeline.read(nf.TextFile(path))
    return lines.filter(lambda line: not line.startswith("year,")).map(flight)


def read_names(pipeline: Pipeline, path: str) -> PCollection:
    """Read pairs of an airline's code and its name."""
    lines = pipeline.read(nf.TextFile(path))
    return lines.filter(lambda line: line != "carrier,name").map(lambda line: tuple(line.split(",", 1)))


def tsv(row: tuple[Any, ...]) -> str:
    """Write a row as a line."""
    return "\t".join(map(str, row))


def main(data: str, out: str, engine: str, **options: Any) -> None:
    """Build the pipeline, show a plan, run, and show what came out."""
    pipeline = nf.Pipeline.create(engine, **options)
    flights = read_flights(pipeline, f"{data}/flights.csv")
    names = read_names(pipeline, f"{data}/airlines.csv")

    airlines = flights.group_by(lambda flight: flight[AIRLINE])
    routes = airlines.apply_values(T.group_by, lambda flight: flight[DESTINATION])

    # One function, three depths.
    of_year = flights.apply(report)
    of_airlines = airlines.apply_values(report)
    of_routes = routes.apply_values(lambda by_destination: by_destination.apply_values(report))

    named = of_airlines.flatten().join(names).map(lambda row: (row[1][1], *row[1][0]))
    named = named.sort_by(lambda row: row[1], reverse=True)
    busiest = of_routes.apply_values(
        lambda by_destination: by_destination.flatten().max_elements(2, lambda row: row[1][0])
    )
    busiest = busiest.flatten().join(names).map(lambda row: (row[1][1], row[1][0][0], *row[1][0][1]))
    busiest = busiest.sort_by(lambda row: row[2], reverse=True)

    pipeline.write(named.map(tsv), nf.output.TextFile(f"{out}/airlines"))
    pipeline.write(of_routes.flatten().map(repr), nf.output.TextFile(f"{out}/routes").partition(1).sort())
    for result in (of_year, named, busiest):
        result.cache()
    plan = pipeline.explain()
    pipeline.run()
    done = pipeline.last_run

    heading("The year")
    show(COLUMNS, [of_year.get()])
    heading("Each airline; one without cancelled flights counts 0")
    show(["airline", *COLUMNS], named.get())
    heading("The two busiest destinations of each airline, the first ten")
    show(["airline", "to", *COLUMNS], busiest.get()[:10])

    heading(
        "How different aircraft are counted on each route: one exchange for both levels, one for the counts"
    )
    aircraft = routes.apply_values(lambda by_destination: by_destination.apply_values(count_aircraft))
    print(aircraft.explain("stages"))
    heading("What the run did")
    show_stages(done)

    Path(out, "plan.txt").write_text(plan, encoding="utf-8")
    heading("Written")
    for path in sorted(Path(out).glob("*/part-*")):
        print(f"  {path}")
    print(f"  {Path(out, 'plan.txt')}: the plan of all of it")
    pipeline.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="One report of a year of flights, for groups of any depth.")
    parser.add_argument("--data", required=True, help="folder of flights.csv and airlines.csv")
    parser.add_argument("--out", required=True, help="folder for the results")
    parser.add_argument("--engine", default="local", help="local or spark")
    parser.add_argument("--master", help="where Spark runs, such as local-cluster[2,1,1024]")
    arguments = parser.parse_args()
    options = {"spark_conf": {"spark.master": arguments.master}} if arguments.master else {}
    main(arguments.data, arguments.out, arguments.engine, **options)
