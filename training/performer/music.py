"""An original dance loop, synthesised: drums, bass, chords and a plucked melody in C major."""

import numpy as np
from numpy.typing import NDArray

from engine.mocap.rotations import Array
from training.motion.dance import TEMPO_BPM

SAMPLE_RATE = 48_000
_BEAT = 60.0 / TEMPO_BPM

# Four bars over and over: the "royal road" of Japanese pop, IV V iii vi, as MIDI notes.
_BASS = (41, 43, 40, 45)
_CHORDS = ((65, 69, 72, 76), (67, 71, 74, 77), (64, 67, 71, 74), (69, 72, 76, 79))
# Eighths of the melody, 0 is a rest.
_MELODY = (
    (84, 0, 81, 84, 0, 86, 84, 81), (83, 0, 79, 83, 0, 86, 83, 0),
    (79, 0, 76, 79, 83, 0, 81, 79), (81, 0, 84, 0, 81, 76, 79, 0),
)  # fmt: skip


def loop(seconds: float, first_beat: float = 0.0) -> NDArray[np.float32]:
    """`seconds` of stereo music (N, 2) in [-1, 1]; its first bar starts at `first_beat` s."""
    count = round(seconds * SAMPLE_RATE)
    track = np.zeros((count + 2 * SAMPLE_RATE, 2))
    rng = np.random.default_rng(120)
    kick, snare, hat = _kick(), _snare(rng), _hat(rng)
    beats = int(np.ceil((seconds - first_beat) / _BEAT))
    if first_beat > 0.0:
        for k in range(2):  # two ticks lead in
            _add(track, hat, first_beat - (k + 1) * 0.5 * _BEAT, 0.5)
    for beat in range(beats):
        at = first_beat + beat * _BEAT
        bar, within = divmod(beat, 4)
        _add(track, kick if within % 2 == 0 else snare, at, 0.9 if within % 2 == 0 else 0.55)
        if within == 2:
            _add(track, kick, at + 0.5 * _BEAT, 0.6)
        _add(track, hat, at, 0.20, pan=0.2)
        _add(track, hat, at + 0.5 * _BEAT, 0.32, pan=0.2)
        chord = bar % 4
        for half in (0.0, 0.5):
            octave = 12 if half else 0
            _add(track, _bass(_BASS[chord] + octave), at + half * _BEAT, 0.42)
        if within == 0:
            for i, note in enumerate(_CHORDS[chord]):
                _add(track, _pad(note, 4 * _BEAT), at, 0.055, pan=(-0.5, 0.5, -0.2, 0.2)[i])
            if bar >= 1:
                for i, note in enumerate(_MELODY[chord]):
                    if note:
                        _add(track, _pluck(note), at + 0.5 * i * _BEAT, 0.20, pan=-0.15)
    track = track[:count]
    fade = np.clip((count - np.arange(count)) / (0.6 * SAMPLE_RATE), 0.0, 1.0)
    return (0.45 * np.tanh(track * 0.8) * fade[:, None]).astype(np.float32)


def _add(track: Array, sound: Array, at: float, volume: float, pan: float = 0.0) -> None:
    start = round(at * SAMPLE_RATE)
    skip = max(-start, 0)
    start = max(start, 0)
    part = sound[skip : skip + max(len(track) - start, 0)] * volume
    track[start : start + len(part), 0] += part * min(1.0, 1.0 - pan)
    track[start : start + len(part), 1] += part * min(1.0, 1.0 + pan)


def _time(seconds: float) -> Array:
    return np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE


def _hertz(note: float) -> float:
    return float(440.0 * 2.0 ** ((note - 69) / 12.0))


def _kick() -> Array:
    t = _time(0.28)
    phase = 2.0 * np.pi * (48.0 * t + 90.0 / 28.0 * (1.0 - np.exp(-28.0 * t)))
    return np.asarray(np.sin(phase) * np.exp(-9.0 * t))


def _snare(rng: np.random.Generator) -> Array:
    t = _time(0.2)
    noise = np.diff(rng.normal(0.0, 0.5, len(t) + 1))
    return np.asarray(
        noise * np.exp(-22.0 * t) + 0.5 * np.sin(2 * np.pi * 190 * t) * np.exp(-30 * t)
    )


def _hat(rng: np.random.Generator) -> Array:
    t = _time(0.06)
    return np.asarray(np.diff(rng.normal(0.0, 0.5, len(t) + 2), n=2) * np.exp(-70.0 * t))


def _bass(note: int) -> Array:
    t = _time(0.48 * _BEAT)
    wave = sum(np.sin(2 * np.pi * _hertz(note) * k * t) / k**1.6 for k in range(1, 6))
    return np.asarray(wave * np.minimum(t / 0.006, 1.0) * np.exp(-4.0 * t) * _release(t))


def _pad(note: int, length: float) -> Array:
    t = _time(length)
    wave = sum(
        np.sin(2 * np.pi * _hertz(note + cents / 100.0) * k * t) / k**2
        for k in (1, 2, 3)
        for cents in (-6.0, 6.0)
    )
    return np.asarray(wave * np.minimum(t / 0.05, 1.0) * _release(t, 0.15))


def _pluck(note: int) -> Array:
    t = _time(0.45)
    wave = sum(
        np.sin(2 * np.pi * _hertz(note) * k * t) * np.exp(-k * 5.0 * t) / k for k in (1, 2, 4)
    )
    return np.asarray(wave * np.minimum(t / 0.003, 1.0) * _release(t))


def _release(t: Array, seconds: float = 0.02) -> Array:
    return np.asarray(np.clip((t[-1] - t) / seconds, 0.0, 1.0))
