from fracdse.wording import number_of


def test_one_is_counted_without_an_s() -> None:
    assert [number_of(count, "trial") for count in (0, 1, 2, 12000)] == [
        "0 trials",
        "1 trial",
        "2 trials",
        "12,000 trials",
    ]
