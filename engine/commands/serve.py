"""`ayatsuri serve`: the studio."""

import logging
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from engine import console
from engine.commands.options import PushOption, PushTokenOption, shows
from engine.errors import MissingDependency, StudioError, pip_install

if TYPE_CHECKING:
    from engine.options import Options
    from engine.studio.settings import Settings

log = logging.getLogger(__name__)

CharactersOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--character",
        "-c",
        metavar="BUNDLE|FOLDER",
        help="A character bundle, or a folder of them; repeatable. Else Ito.",
    ),
]


@shows(without=("layout",))
def serve(
    character: CharactersOption = None,
    host: Annotated[str, typer.Option(help="Where to listen; off this machine, see below.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8420,
    token: Annotated[
        str | None, typer.Option(envvar="AYATSURI_TOKEN", help="What clients must present.")
    ] = None,
    origin: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="A page's origin that may use the server; repeatable."),
    ] = None,
    cert: Annotated[Path | None, typer.Option(metavar="PEM", help="Certificate for HTTPS.")] = None,
    key: Annotated[Path | None, typer.Option(metavar="PEM", help="Its key.")] = None,
    make_certificate: Annotated[
        bool,
        typer.Option(
            "--make-certificate",
            help="Make a certificate for this machine's names and addresses, once, and use it.",
        ),
    ] = False,
    ice_server: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL", help="stun:HOST:PORT or turn:USER:PASSWORD@HOST:PORT; else none."
        ),
    ] = None,
    sessions: Annotated[int, typer.Option(min=1, max=64, help="Performers at once.")] = 2,
    preset: Annotated[
        Path | None, typer.Option(metavar="FILE", help="How sessions look when they begin.")
    ] = None,
    push: PushOption = None,
    push_token: PushTokenOption = None,
    virtual_camera: Annotated[
        bool,
        typer.Option(
            "--virtual-camera",
            help="Show the performer who came first to a virtual camera of this machine, too.",
        ),
    ] = False,
    use_ray: Annotated[
        bool,
        typer.Option("--ray", help="Sessions on replicas, here or on the cluster of RAY_ADDRESS."),
    ] = False,
    replicas: Annotated[
        str, typer.Option(metavar="N|LEAST:MOST", help="With --ray: how many, each of --sessions.")
    ] = "1:2",
    replica_cpus: Annotated[
        float, typer.Option(min=0, help="With --ray: processors of one replica.")
    ] = 1.0,
    replica_gpus: Annotated[
        float, typer.Option(min=0, help="With --ray: its share of a graphics card, such as 0.25.")
    ] = 0.0,
    refine: Annotated[
        bool,
        typer.Option(
            "--refine",
            help="Refine characters that are enrolled here, at low priority: `ayatsuri refine`.",
        ),
    ] = False,
    drain: Annotated[
        float, typer.Option(min=0, metavar="S", help="Time for sessions to end after SIGTERM.")
    ] = 10.0,
    log_json: Annotated[
        bool, typer.Option("--log-json", help="Log one JSON object a line, on standard error.")
    ] = False,
    show_page: Annotated[
        bool, typer.Option("--open", help="Open the page in your browser.")
    ] = False,
    *,
    options: "Options",
) -> None:
    """The puppet in a browser, and for any WHIP client. Off this machine it wants a token,
    a certificate and the origins that may use it."""
    from engine.studio import logs

    logs.begin(as_json=log_json)
    names = ", ".join(path.name for path in character or ()) or "Ito"
    log.info("loading the studio, for %s", names)  # some seconds, where much else is to be done
    try:
        import aiohttp  # noqa: F401
        import aiortc  # noqa: F401
        import prometheus_client  # noqa: F401
    except ImportError as error:
        raise MissingDependency(
            f"the studio needs aiortc and aiohttp ({error}): {pip_install('studio')}"
        ) from error
    from engine.push.address import parse
    from engine.studio import certificate
    from engine.studio.looks import load_preset
    from engine.studio.run import serve as run_server
    from engine.studio.settings import IceServer, Settings, default_folder

    folder = default_folder()
    if make_certificate:
        made = certificate.ensure(folder / "certificate")
        cert, key = made.certificate, made.key
        origin = [*(origin or ()), *made.origins(port)]
        console.say(
            f"the certificate is [bold]{escape(str(cert))}[/]; browsers warn of it once.\n"
            f"SHA-256 {made.fingerprint}"
        )
    settings = Settings(
        host=host, port=port, token=token, origins=tuple(origin or ()), certificate=cert, key=key,
        ice_servers=tuple(map(IceServer.parse, ice_server or ())), sessions=sessions,
        push=tuple(map(parse, push or ())), push_token=push_token, drain_s=drain, folder=folder,
        refine=refine, virtual_camera=virtual_camera,
    )  # fmt: skip
    look = None if preset is None else load_preset(preset)

    def say(pages: list[str]) -> None:
        console.say(f"the studio is open: [bold cyan]{escape(' '.join(pages))}[/]")
        _tell_of_token(settings, pages[0])
        if show_page:
            webbrowser.open(pages[0])

    if not use_ray:
        run_server(settings, character or (), options, look=look, say=say)
        return
    if virtual_camera:
        raise StudioError("a virtual camera is of one machine: leave --virtual-camera or --ray out")
    try:
        from engine.studio.cluster import Fleet, serve_cluster
    except ImportError as error:
        raise MissingDependency(
            f"--ray needs Ray Serve ({error}): {pip_install('studio,ray')}"
        ) from error
    fleet = Fleet.parse(replicas, cpus=replica_cpus, gpus=replica_gpus)
    serve_cluster(settings, fleet, character or (), options, look=look, say=say)


def _tell_of_token(settings: "Settings", page: str) -> None:
    if settings.token is not None:
        console.say(f"with the token: {escape(page)}#token=TOKEN")
