"""Inference requests of OpenVINO, shared by threads."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np


class Requests:
    """A compiled network and its idle inference requests.

    A request belongs to one thread while it runs: `compiled(images)` itself has a single one, and
    fails or mixes up results when two threads call it. Requests are reused, since each holds the
    memory of all activations.

    Args:
        compiled: An ``openvino.CompiledModel`` of static shape.
        at_once: Images that one request takes.
    """

    def __init__(self, compiled: Any, at_once: int) -> None:
        self._compiled, self._at_once = compiled, at_once
        self._shapes = [tuple(output.shape)[1:] for output in compiled.outputs]
        self._parallel = compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
        self._idle: deque[Any] = deque()  # append and pop are atomic

    def __call__(self, images: Any) -> list[np.ndarray]:
        images = np.asarray(images, np.float32)
        count = len(images)
        padding = -count % self._at_once
        if padding:
            images = np.pad(images, [(0, padding)] + [(0, 0)] * (images.ndim - 1))
        outputs = [np.empty((len(images), *shape), np.float32) for shape in self._shapes]
        running: deque[tuple[int, Any]] = deque()
        for start in range(0, len(images), self._at_once):
            if len(running) == self._parallel:
                self._finish(*running.popleft(), outputs)
            request = self._take()
            request.get_input_tensor(0).data[:] = images[start : start + self._at_once]
            request.start_async()
            running.append((start, request))
        while running:
            self._finish(*running.popleft(), outputs)
        return [output[:count] for output in outputs]

    def _take(self) -> Any:
        try:
            return self._idle.pop()
        except IndexError:
            return self._compiled.create_infer_request()

    def _finish(self, start: int, request: Any, outputs: list[np.ndarray]) -> None:
        """Wait for a request, copy its results and make it available again."""
        request.wait()
        for number, output in enumerate(outputs):
            output[start : start + self._at_once] = request.get_output_tensor(number).data
        self._idle.append(request)
