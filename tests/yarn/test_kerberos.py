"""An HDFS and a YARN that take only whom Kerberos knows: the client has a ticket, nodes have tokens."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import hadoop_server
import pytest
from conftest import Yarn, home_of

import nestflow as nf

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COUNTS = sorted(f"word{number} {20_000 // 7 + (number < 20_000 % 7)}" for number in range(7))


class Guarded(Yarn):
    """Runs programs as who has the ticket, whatever the user is called here."""

    def settings(self, home: str) -> dict[str, str]:
        # Real machines have it as /etc/krb5.conf.
        option = f"-Djava.security.krb5.conf={self.hadoop.kerberos}"
        jvms = ("spark.driver", "spark.yarn.am", "spark.executor")
        return {**super().settings(home), **{f"{jvm}.extraJavaOptions": option for jvm in jvms}}

    def environment(self, home: str, user: str) -> dict[str, str]:
        option = f"-Djava.security.krb5.conf={self.hadoop.kerberos}"
        ticket = {"KRB5CCNAME": str(self.hadoop.ticket), "SPARK_SUBMIT_OPTS": option}
        return {**super().environment(home, user), **ticket}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with hadoop_server.started(tmp_path_factory.mktemp("guarded"), yarn=True, kerberos=True) as hadoop:
        yield Guarded(hadoop)


@pytest.mark.parametrize("mode", ["client", "cluster"])
def test_nodes_have_tokens_only(guarded: Guarded, mode: str) -> None:
    home, hdfs = home_of("3.5.9"), guarded.hadoop
    folder = f"/tmp/{mode}"
    client = hadoop_server.shell(home, hdfs.kerberos, str(hdfs.conf))
    store = "hdfs:///tmp/nestflow"
    options: dict[str, Any] = {"tmp_data_path": store} if mode == "client" else {}
    ended = guarded.submit(
        mode,
        "guarded.py",
        f"hdfs://{folder}",
        json.dumps(client),
        json.dumps(options),
        user="somebody",
        by="spark-submit" if mode == "client" else "nestflow submit",
        options=[f"--tmp-data-path={store}"],
        python=False,
    ).succeeded()
    assert [app["user"] for app in ended.applications] == ["tester"]
    (line,) = (line for line in ended.text.splitlines() if line.startswith("nodes: "))
    says = json.loads(line.removeprefix("nodes: "))
    assert [says["kerberos"], says["keytab"], says["ticket"]] == [[], False, False]
    assert "Client cannot authenticate via:[TOKEN, KERBEROS]" in says["without"]
    assert f"{folder}/in" in says["with"]
    written = hdfs.client(home, "-cat", f"{folder}/out/part-*")
    assert sorted(written.splitlines()) == COUNTS
    owners = hdfs.client(home, "-stat", "%u %n", f"{folder}/out", "/tmp/nestflow/*/*.tar.gz")
    assert [line.split()[0] for line in owners.splitlines()] == ["tester", "tester"]


def test_the_local_engine_has_the_ticket(
    guarded: Guarded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hdfs = guarded.hadoop
    client = tmp_path / "hadoop"
    command = " ".join(hadoop_server.shell(home_of("3.5.9"), hdfs.kerberos, "${HADOOP_CONF_DIR}"))
    client.write_text(f'#!/bin/sh\nshift # "fs"\nexec {command} "$@"\n')
    client.chmod(0o755)
    (tmp_path / "in").write_text("a\nb\n")
    options = {"hadoop_client_path": str(client), "hadoop_config_path": str(hdfs.conf), "progress": False}

    def copy() -> None:
        with nf.Pipeline.create("local", **options) as p:
            lines = p.read(nf.TextFile(str(tmp_path / "in")))
            p.write(lines.map(str.upper), nf.output.TextFile("hdfs:///tmp/local"))
            p.run()

    monkeypatch.setenv("KRB5CCNAME", str(tmp_path / "none"))
    with pytest.raises(nf.errors.NestflowHDFSException, match="Client cannot authenticate via"):
        copy()
    monkeypatch.setenv("KRB5CCNAME", str(hdfs.ticket))
    copy()
    with nf.Pipeline.create("local", **options) as p:
        assert p.read(nf.TextFile("hdfs:///tmp/local")).get() == ["A", "B"]
