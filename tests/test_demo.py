"""The demo on a small year of flights: what it prints and writes, against plain Python."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parent.parent / "examples" / "flights"
HEADER = (
    "year,month,day,dep_time,sched_dep_time,dep_delay,arr_time,sched_arr_time,arr_delay,carrier,flight,"
    "tailnum,origin,dest,air_time,distance,hour,minute,time_hour"
)
NAMES = {"AA": "American Airlines Inc.", "HA": "Hawaiian Airlines Inc.", "UA": "United Air Lines Inc."}


def small_year():
    """Tuples of airline, destination, aircraft, departure delay, arrival delay; HA cancels nothing."""
    rng = random.Random(2013)
    flights = []
    for number in range(400):
        airline = rng.choice(["AA", "UA", "UA", "HA"])
        cancelled = airline != "HA" and rng.random() < 0.1
        aircraft = "NA" if number % 50 == 0 else f"N{rng.randrange(40)}"
        delays = ("NA", "NA") if cancelled else (rng.randrange(-10, 300), rng.randrange(-20, 300))
        flights.append((airline, rng.choice(["HNL", "ORD", "SFO"]), aircraft, *delays))
    return flights


def report(flights):
    """What the example's report gives, in plain Python."""
    arrivals = [flight[4] for flight in flights if flight[4] != "NA"]
    return (
        len(flights),
        sum(flight[3] == "NA" for flight in flights),
        len({flight[2] for flight in flights} - {"NA"}),
        sum(arrivals) / len(arrivals) if arrivals else None,
        sorted((flight[3] for flight in flights if flight[3] != "NA"), reverse=True)[:3],
    )


@pytest.fixture(scope="module")
def flights():
    return small_year()


def write(flights, folder):
    """Write the files that the example reads."""
    lines = [
        f"2013,1,1,,,{dep},,,{arr},{airline},1,{aircraft},JFK,{to},,,,,"
        for airline, to, aircraft, dep, arr in flights
    ]
    (folder / "flights.csv").write_text("\n".join([HEADER, *lines, ""]))
    names = [f"{code},{name}" for code, name in NAMES.items()]
    (folder / "airlines.csv").write_text("\n".join(["carrier,name", *names, ""]))


@pytest.fixture(scope="module")
def demo(flights, tmp_path_factory):
    """The folder of the results, with what was printed as `printed`."""
    folder = tmp_path_factory.mktemp("demo")
    write(flights, folder)
    command = [sys.executable, EXAMPLE / "flights.py", "--data", folder, "--out", folder / "out"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (folder / "printed").write_text(done.stdout)
    return folder


def grouped(flights, key):
    groups = defaultdict(list)
    for flight in flights:
        groups[key(flight)].append(flight)
    return {group: report(members) for group, members in groups.items()}


def test_airlines_are_reported_by_name_the_busiest_first(demo, flights):
    rows = (demo / "out/airlines/part-00000").read_text().splitlines()
    expected = sorted(grouped(flights, lambda f: f[0]).items(), key=lambda row: -row[1][0])
    assert rows == ["\t".join(map(str, (NAMES[code], *numbers))) for code, numbers in expected]


def test_an_airline_that_cancelled_nothing_counts_zero(demo):
    rows = (demo / "out/airlines/part-00000").read_text().splitlines()
    (hawaiian,) = (row.split("\t") for row in rows if row.startswith("Hawaiian"))
    assert hawaiian[2] == "0"


def test_routes_are_reported_at_the_second_level(demo, flights):
    rows = (demo / "out/routes/part-00000").read_text().splitlines()
    expected = grouped(flights, lambda f: (f[0], f[1]))
    assert rows == sorted(repr((airline, (to, numbers))) for (airline, to), numbers in expected.items())


def test_prints_tables_a_plan_and_what_the_run_did(demo, flights):
    printed = (demo / "printed").read_text()
    assert f"{report(flights)[3]:.2f}" in printed
    assert "⇒ exchange 0 hash(k1 k2 j)" in printed
    assert "rows in" in printed
    for written in ("airlines/part-00000", "routes/part-00000", "plan.txt"):
        assert str(demo / "out" / written) in printed
        assert (demo / "out" / written).exists()
