"""A test for each recorded scenario. Several are played at once, since most wait more than they work."""

import concurrent.futures
import tempfile
import unittest


def play(replay, path):
    with tempfile.TemporaryDirectory() as directory:
        replay(path).run(directory)


def replayed(replay, scenarios, at_least, at_once):
    """A TestCase: test_NAME plays `path` by the class `replay`, for each (name, path); of which there must be so
    many; `at_once` are played together."""
    class Replayed(unittest.TestCase):
        @classmethod
        def setUpClass(cls):
            cls.pool = concurrent.futures.ThreadPoolExecutor(at_once)
            cls.results = {name: cls.pool.submit(play, replay, path) for name, path in scenarios}

        @classmethod
        def tearDownClass(cls):
            cls.pool.shutdown(cancel_futures=True)

        def test_recordings_are_there(self):
            self.assertGreaterEqual(len(scenarios), at_least)

    for name, _ in scenarios:
        setattr(Replayed, f"test_{name}", lambda self, name=name: self.results[name].result())
    return Replayed
