from __future__ import annotations

import pytest

from chalicelib.errors import Unavailable
from chalicelib.service import Readiness


@pytest.mark.parametrize("failure", [Unavailable("The database"), RuntimeError("AccessDenied")])
def test_an_answer_is_kept_for_five_seconds_good_or_bad(failure: Exception) -> None:
    seconds, asked, down = [0.0], [0], [False]

    def probe() -> None:
        asked[0] += 1
        if down[0]:
            raise failure

    readiness = Readiness(probe, lambda: seconds[0])
    readiness.check()
    down[0], seconds[0] = True, 4.9
    readiness.check()
    seconds[0] = 5.0
    for _ in range(2):
        with pytest.raises(Unavailable):
            readiness.check()
    down[0], seconds[0] = False, 10.0
    readiness.check()
    assert asked[0] == 3
