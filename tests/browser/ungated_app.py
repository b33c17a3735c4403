"""The app as served by a host that runs the script and does not know ``st.App``."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from streamlit.web import bootstrap

SCRIPT = Path("streamlit_app.py").resolve()


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--server.headless", "headless", type=bool)
@click.option("--server.port", "port", type=int)
@click.option("--server.address", "address")
def main(headless: bool, port: int, address: str) -> None:
    """Serve the app with the options of the tests."""
    options = {"server_headless": headless, "server_port": port, "server_address": address}
    bootstrap.load_config_options(flag_options=options)
    bootstrap.run(str(SCRIPT), False, [], options)


sys.argv[0] = "streamlit"
main()
