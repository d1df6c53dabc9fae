"""The HTTP interface beside WHIP and WHEP: what a page and a streamer's tools need.

GET    /api/characters[?session=ID]      who there is, and who plays
GET    /api/characters/NAME/thumbnail    a PNG with alpha
GET    /api/session/ID                   settings and calibration
GET    /api/session/ID/settings          the look; PATCH changes some fields
POST   /api/session/ID/calibrate         {"countdown_s": 3}
GET    /api/session/ID/preset            the look as a file; PUT wears one
POST   /api/backgrounds                  a PNG or JPEG; its name as a background
GET    /api/camera                       the virtual camera; PUT {"on": true} switches it
GET    /api/presets                      names; /api/presets/NAME: GET, PUT, DELETE
"""

import asyncio
from typing import Any, Final
from urllib.parse import quote

from aiohttp import hdrs, web

from engine.controls import COUNTDOWN_S
from engine.errors import BadLook, MissingDependency, StudioFull, VirtualCameraMissing
from engine.studio import backdrops
from engine.studio.director import Director
from engine.studio.http import read_body, read_json, say
from engine.studio.looks import SCHEMA_VERSION, Look, preset_json
from engine.studio.studio import Studio

_PICTURES: Final = ("image/png", "image/jpeg")


class Api:
    """The handlers.

    Args:
        studio: whose sessions are spoken of.
    """

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    def add_routes(self, app: web.Application) -> None:
        """Put them where they belong."""
        add = app.router.add_route
        add("GET", "/api/characters", self._characters)
        add("GET", "/api/characters/{name}/thumbnail", self._thumbnail)
        add("GET", "/api/session/{session}", self._session)
        add("GET", "/api/session/{session}/settings", self._settings)
        add("PATCH", "/api/session/{session}/settings", self._change)
        add("POST", "/api/session/{session}/calibrate", self._calibrate)
        add("GET", "/api/session/{session}/preset", self._preset)
        add("PUT", "/api/session/{session}/preset", self._wear)
        add("POST", "/api/backgrounds", self._background)
        add("GET", "/api/camera", self._camera)
        add("PUT", "/api/camera", self._switch_camera)
        add("GET", "/api/presets", self._presets)
        add("GET", "/api/presets/{name}", self._kept)
        add("PUT", "/api/presets/{name}", self._keep)
        add("DELETE", "/api/presets/{name}", self._forget)

    async def _characters(self, request: web.Request) -> web.Response:
        name = request.query.get("session")
        playing = None if name is None else self._director(name).playing
        return web.json_response({"characters": characters(self._studio, playing)})

    async def _thumbnail(self, request: web.Request) -> web.Response:
        bundle = self._studio.gallery.get(request.match_info["name"])
        if bundle is None:
            raise web.HTTPNotFound
        picture = await asyncio.to_thread(self._studio.gallery.thumbnail, bundle)
        return web.Response(body=picture, content_type="image/png")

    async def _session(self, request: web.Request) -> web.Response:
        director = self._of(request)
        return web.json_response(
            {
                "session": request.match_info["session"],
                "settings": director.look.model_dump(),
                "calibration": director.calibration(),
            }
        )

    async def _settings(self, request: web.Request) -> web.Response:
        return web.json_response(self._of(request).look.model_dump())

    async def _change(self, request: web.Request) -> web.Response:
        look = await self._of(request).change(await read_json(request))
        return web.json_response(look.model_dump())

    async def _calibrate(self, request: web.Request) -> web.Response:
        director = self._of(request)
        director.calibrate(countdown(await read_json(request, default={})))
        return web.json_response(director.calibration(), status=202)

    async def _preset(self, request: web.Request) -> web.Response:
        text = preset_json(self._of(request).look)
        response = web.Response(text=text, content_type="application/json")
        response.headers[hdrs.CONTENT_DISPOSITION] = 'attachment; filename="ayatsuri-preset.json"'
        return response

    async def _wear(self, request: web.Request) -> web.Response:
        look = await self._of(request).wear(_preset(await read_json(request)))
        return web.json_response(look.model_dump())

    async def _background(self, request: web.Request) -> web.Response:
        if request.content_type not in _PICTURES:
            raise web.HTTPUnsupportedMediaType(reason=f"a picture comes as {_PICTURES}")
        data = await read_body(request, backdrops.MAX_BYTES)
        name = await asyncio.to_thread(self._studio.backdrops.add, data)
        return web.json_response({"background": name}, status=201)

    async def _camera(self, request: web.Request) -> web.Response:
        report = self._studio.camera
        return web.json_response({"on": report is not None, **(report or {})})

    async def _switch_camera(self, request: web.Request) -> web.Response:
        content = await read_json(request)
        on = content.get("on") if isinstance(content, dict) else None
        if not isinstance(on, bool):
            raise BadLook('the virtual camera is switched with {"on": true} or {"on": false}')
        try:
            await self._studio.switch_camera(on)
        except (MissingDependency, VirtualCameraMissing) as error:
            return say(409, str(error))  # the message has what to install, and then to ask again
        return await self._camera(request)

    async def _presets(self, request: web.Request) -> web.Response:
        return web.json_response({"presets": self._studio.presets.names()})

    async def _kept(self, request: web.Request) -> web.Response:
        look = self._studio.presets.get(request.match_info["name"])
        if look is None:
            raise web.HTTPNotFound
        return web.Response(text=preset_json(look), content_type="application/json")

    async def _keep(self, request: web.Request) -> web.Response:
        self._studio.presets.put(request.match_info["name"], _preset(await read_json(request)))
        return web.Response(status=204)

    async def _forget(self, request: web.Request) -> web.Response:
        if not self._studio.presets.delete(request.match_info["name"]):
            raise web.HTTPNotFound
        return web.Response(status=204)

    def _of(self, request: web.Request) -> Director:
        return self._director(request.match_info["session"])

    def _director(self, name: str) -> Director:
        session = self._studio.sessions.get(name)
        if session is None:
            raise web.HTTPNotFound
        if session.director is None:
            raise StudioFull(f"session {name} is still being opened")
        return session.director


def characters(studio: Studio, playing: str | None) -> list[dict[str, Any]]:
    """All characters, as they are told of; `playing` is active."""
    return [
        {
            "name": bundle.name,
            "thumbnail": f"/api/characters/{quote(bundle.name, safe='')}/thumbnail",
            "author": bundle.manifest.author,
            "licence": bundle.manifest.licence,
            "is_active": bundle.name == playing,
        }
        for bundle in studio.gallery.bundles
    ]


def countdown(content: Any) -> float:
    """The seconds of a request to calibrate.

    Raises:
        BadLook: they are no number.
    """
    seconds = content.get("countdown_s", COUNTDOWN_S) if isinstance(content, dict) else None
    if not isinstance(seconds, int | float):
        raise BadLook('a calibration is asked for with {"countdown_s": SECONDS} or nothing')
    return float(seconds)


def _preset(content: Any) -> Look:
    if isinstance(content, dict) and content.get("schema_version", SCHEMA_VERSION) == (
        SCHEMA_VERSION
    ):
        content = {key: value for key, value in content.items() if key != "schema_version"}
    return Look.parse(content, "the preset")
