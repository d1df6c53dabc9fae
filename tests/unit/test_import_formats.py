"""The same doll in every format becomes the same character."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from engine.mocap.rig import INDEX, JOINTS
from engine.pose.skeleton import PUPPET_20
from tests import dolls
from training.characters.character import RiggedCharacter, render_sample, rest_pose
from training.characters.imports.errors import CharacterFileError
from training.characters.imports.load import load_character
from training.characters.sheet import POSES, rig_pose
from training.motion.dance import dance
from training.motion.poses import random_pose
from training.render.surfaces import CUT_OUT, OPAQUE, SEE_THROUGH

FORMATS = ("glb", "gltf", "vrm0", "vrm1", "pmx", "pmd")


def write(folder: Path, kind: str) -> Path:
    """The doll as a file of one kind, with the textures that it names."""
    made = dolls.doll()
    (folder / "tex").mkdir(exist_ok=True)
    for name in ("tex/body.png", "tex/hair.png", "body.bmp"):
        (folder / name).write_bytes(dolls.png())
    path = folder / f"doll.{'vrm' if kind.startswith('vrm') else kind}"
    writers: dict[str, Callable[[], bytes]] = {
        "glb": lambda: dolls.glb(*dolls.gltf_document(made, dolls.mixamo_names(made))),
        "gltf": lambda: dolls.gltf_text(made, dolls.mixamo_names(made)),
        "vrm0": lambda: dolls.vrm0(made),
        "vrm1": lambda: dolls.vrm1(made),
        "pmx": lambda: dolls.pmx(made),
        "pmd": lambda: dolls.pmd(made),
    }
    path.write_bytes(writers[kind]())
    return path


@pytest.fixture(scope="module")
def characters(tmp_path_factory: pytest.TempPathFactory) -> dict[str, RiggedCharacter]:
    return {kind: load_character(write(tmp_path_factory.mktemp(kind), kind)) for kind in FORMATS}


@pytest.fixture(params=FORMATS)
def character(
    request: pytest.FixtureRequest, characters: dict[str, RiggedCharacter]
) -> RiggedCharacter:
    return characters[request.param]


def test_the_arms_are_straightened(character: RiggedCharacter) -> None:
    rest = character.rest
    for side, sign in (("l", 1.0), ("r", -1.0)):
        arm, fore, hand = (rest[INDEX[f"{side}_{n}"]] for n in ("upper_arm", "forearm", "hand"))
        np.testing.assert_allclose((fore - arm)[1:], 0.0, atol=1e-5)
        np.testing.assert_allclose((hand - fore)[1:], 0.0, atol=1e-5)
        assert sign * (hand - arm)[0] > 0.3
        thigh, shin, foot = (rest[INDEX[f"{side}_{n}"]] for n in ("thigh", "shin", "foot"))
        assert thigh[1] > shin[1] > foot[1] > 0.0
        np.testing.assert_allclose((foot - thigh)[[0, 2]], 0.0, atol=1e-5)
    hands = character.mesh.vertices[character.weights[:, INDEX["l_hand"]] > 0.9]
    assert np.ptp(hands[:, 1]) < 0.06  # the hand's own thickness: it is level too


def test_the_doll_stands_on_the_floor_and_faces_the_camera(character: RiggedCharacter) -> None:
    vertices = character.mesh.vertices
    assert vertices[:, 1].min() == pytest.approx(0.0, abs=1e-5)
    assert vertices[:, 1].max() == pytest.approx(character.height)
    feet = vertices[character.weights[:, INDEX["l_foot"]] > 0.9]
    assert feet[:, 2].max() > 2 * abs(feet[:, 2].min())
    assert feet[:, 0].mean() > 0  # its left is the picture's right


def test_weights_and_mesh_are_sound(character: RiggedCharacter) -> None:
    links = sum(chain.links for chain in character.chains)
    assert character.weights.shape[1] == len(JOINTS) + links
    np.testing.assert_allclose(character.weights.sum(axis=1), 1.0, atol=1e-5)
    mesh = character.mesh
    assert mesh.surfaces is not None
    for values in (mesh.vertices, mesh.normals, mesh.lit, mesh.ink, mesh.outline, mesh.uv):
        assert values.dtype == np.float32
        assert np.isfinite(values).all()
    np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1.0, atol=1e-3)


def test_triangles_face_outwards(character: RiggedCharacter) -> None:
    mesh = character.mesh
    a, b, c = (mesh.vertices[mesh.triangles[:, k]] for k in range(3))
    faces = np.cross(b - a, c - a)
    assert (np.einsum("tk,tk->t", faces, mesh.normals[mesh.triangles[:, 0]]) > 0).mean() > 0.9


def test_the_formats_agree(characters: dict[str, RiggedCharacter]) -> None:
    wanted = characters["glb"]
    for kind, found in characters.items():
        np.testing.assert_allclose(found.rest, wanted.rest, atol=2e-3, err_msg=kind)
        np.testing.assert_allclose(found.landmarks, wanted.landmarks, atol=8e-3, err_msg=kind)
        assert len(found.chains) == 1 + dolls.SKIRT, kind


def test_keypoints_lie_on_the_doll(character: RiggedCharacter) -> None:
    for name, angles in POSES.items():
        picture, joints = render_sample(character, rig_pose(angles, 20.0), 192)
        inside = np.argwhere(picture[..., 3] > 0)[:, ::-1] + 0.5
        for joint, (x, y) in zip(PUPPET_20.joints, joints[:, :2], strict=True):
            if 0 <= x < 192 and 0 <= y < 192:
                gap = np.min(np.hypot(inside[:, 0] - x, inside[:, 1] - y))
                assert gap < 4.5, f"{joint} is {gap:.1f} px away in {name}"


def test_left_is_left(character: RiggedCharacter) -> None:
    _, joints = render_sample(character, rest_pose(), 256)
    for name in ("shoulder", "wrist", "hip", "ankle", "eye", "ear", "toe"):
        left, right = (joints[PUPPET_20.index(side + name), 0] for side in ("l_", "r_"))
        assert left > right
    assert joints[PUPPET_20.index("nose"), 2] < joints[PUPPET_20.index("l_ear"), 2]


def test_poses_stretch_nothing_rigid(character: RiggedCharacter) -> None:
    mesh = character.mesh
    edges = np.concatenate([mesh.triangles[:, [0, 1]], mesh.triangles[:, [1, 2]]])
    before = np.linalg.norm(np.diff(mesh.vertices[edges], axis=1)[:, 0], axis=1)
    for seed in range(6):
        posed = character.pose(random_pose(np.random.default_rng(seed), character.rest))
        after = np.linalg.norm(np.diff(posed.vertices[edges], axis=1)[:, 0], axis=1)
        np.testing.assert_allclose(after, before, atol=1e-3)


def test_hair_swings_and_is_repeatable(character: RiggedCharacter) -> None:
    poses = dance(1.5, 30.0, 1, character.rest)
    frames = [mesh.vertices for mesh in character.animate(poses, 30.0)]
    again = [mesh.vertices for mesh in character.animate(poses, 30.0)]
    np.testing.assert_array_equal(np.stack(frames), np.stack(again))
    still = character.pose(poses[-1]).vertices
    swinging = np.linalg.norm(frames[-1] - still, axis=1)
    links = character.weights[:, len(JOINTS) :].sum(axis=1) > 0.5
    assert swinging[links].max() > 1e-3
    assert swinging[~links].max() < 1e-5


def test_all_of_the_hair_and_skirt_swings(character: RiggedCharacter) -> None:
    """Also the last bone of a chain, which in VRM 1.0 only says where the chain ends."""
    links = character.weights[:, len(JOINTS) :].sum(axis=1)
    boxes = 3 + 2 * dolls.SKIRT
    assert (links > 0.99).mean() == pytest.approx(8 * boxes / len(dolls.doll().vertices))
    assert ((links > 0.99) | (links == 0)).all()


def test_materials_keep_their_modes(characters: dict[str, RiggedCharacter]) -> None:
    for kind, character in characters.items():
        surfaces = character.mesh.surfaces
        assert surfaces is not None
        modes = set(surfaces.mode.tolist())
        assert {OPAQUE, SEE_THROUGH} <= modes, kind
        if kind.startswith(("g", "v")):
            assert CUT_OUT in modes, kind


def test_a_pane_lets_the_chest_through(characters: dict[str, RiggedCharacter]) -> None:
    character = characters["glb"]
    picture, joints = render_sample(character, rest_pose(), 256, 1)
    x, y = joints[PUPPET_20.index("neck"), :2].astype(int)
    through = picture[y + 8, x]
    assert through[3] == 255
    assert through[1] > through[0]  # green glass over skin
    beside = picture[y + 8, x + 38]
    assert 0 < beside[3] < 255 or beside[3] == 0


def test_vrm_springs_keep_their_settings(characters: dict[str, RiggedCharacter]) -> None:
    for kind in ("vrm0", "vrm1"):
        chain = next(c for c in characters[kind].chains if c.joint == INDEX["head"])
        assert chain.links == (3 if kind == "vrm0" else 2)
        assert chain.stiffness == pytest.approx(0.6 * 60)
        assert chain.gravity == pytest.approx(0.2 * 60)
        assert chain.drag == pytest.approx(-np.log(0.7) * 60)
        head = [c for c in characters[kind].capsules if c.joint == INDEX["head"]]
        assert len(head) == 1
        centre = np.array(head[0].low)
        at = characters[kind].rest[INDEX["head"]]
        scale = characters[kind].height / 1.6
        np.testing.assert_allclose(centre - at, np.array([0, 0.05, 0]) * scale, atol=1e-4)
        assert head[0].radius == pytest.approx(0.1 * scale, rel=1e-3)


def test_an_mmd_model_without_physics_swings_by_its_names(tmp_path: Path) -> None:
    for suffix, data in (
        ("pmx", dolls.pmx(dolls.doll(), ("body.png",) * 2, physics=False)),
        ("pmd", dolls.pmd(dolls.doll(), "body.png", physics=False)),
    ):
        (tmp_path / "body.png").write_bytes(dolls.png())
        path = tmp_path / f"plain.{suffix}"
        path.write_bytes(data)
        assert len(load_character(path).chains) == 1 + dolls.SKIRT


def test_the_body_comes_through_any_turn_of_the_file(tmp_path: Path) -> None:
    """Exporters differ in which way a model looks and which way is up."""
    made = dolls.doll()
    document, data = dolls.gltf_document(made, dolls.mixamo_names(made))
    plain = tmp_path / "plain.glb"
    plain.write_bytes(dolls.glb(document, data))
    wanted = load_character(plain)
    for rotation in ([0, 1, 0, 0], [0.7071068, 0, 0, 0.7071068], [0, 0.7071068, 0, 0.7071068]):
        nodes = document["nodes"]
        turned = {**document, "nodes": [*nodes, {"rotation": rotation, "children": [0]}]}
        turned["scenes"] = [{"nodes": [len(nodes), len(nodes) - 1]}]
        path = tmp_path / "turned.glb"
        path.write_bytes(dolls.glb(turned, data))
        found = load_character(path)
        np.testing.assert_allclose(found.rest, wanted.rest, atol=1e-4)
        np.testing.assert_allclose(found.mesh.vertices, wanted.mesh.vertices, atol=1e-3)


def test_a_pose_without_a_chest_or_neck_still_bends(tmp_path: Path) -> None:
    made = dolls.doll()
    names = dolls.mixamo_names(made)
    names = [f"x{i}" if "Spine" in n or "Neck" in n or "Shoulder" in n else n
             for i, n in enumerate(names)]  # fmt: skip
    path = tmp_path / "few.glb"
    path.write_bytes(dolls.glb(*dolls.gltf_document(made, names)))
    character = load_character(path)
    assert np.isfinite(character.rest).all()
    order = [character.rest[INDEX[n], 1] for n in ("hips", "spine", "chest", "neck", "head")]
    assert order == sorted(order)
    assert (character.weights[:, INDEX["spine"]] > 0.1).any()


def test_a_rig_without_arms_is_refused(tmp_path: Path) -> None:
    made = dolls.doll()
    names = [n.replace("Arm", "Wing") for n in dolls.mixamo_names(made)]
    path = tmp_path / "bird.glb"
    path.write_bytes(dolls.glb(*dolls.gltf_document(made, names)))
    with pytest.raises(CharacterFileError, match=r"bird.glb: expected bones for l_upper_arm"):
        load_character(path)


def test_held_things_are_left_out_unless_wanted(tmp_path: Path) -> None:
    made = dolls.doll()
    document, data = dolls.gltf_document(made, dolls.mixamo_names(made))
    hand = made.keys.index("l_hand")
    document["nodes"][hand]["children"].append(len(document["nodes"]))
    document["nodes"].append({"name": "sword", "mesh": 1})
    first = document["meshes"][0]["primitives"][0]
    plain = {k: v for k, v in first["attributes"].items() if k in ("POSITION", "TEXCOORD_0")}
    document["meshes"].append({"primitives": [{**first, "attributes": plain}]})
    path = tmp_path / "armed.glb"
    path.write_bytes(dolls.glb(document, data))
    without, armed = load_character(path), load_character(path, props=True)
    assert len(armed.mesh.vertices) > len(without.mesh.vertices)
