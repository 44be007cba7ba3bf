from emoji_lib.numbers import mean_and_range, number


def test_three_digits_that_mean_something():
    shown = {
        None: "–",
        0.12345: "0.123",
        12.34: "12.3",
        999.4: "999",
        999.6: "1,000",
        12345.6: "12,346",
        -2000.0: "-2,000",
    }
    assert {value: number(value) for value in shown} == shown


def test_several_values_have_their_mean_and_range():
    assert [mean_and_range([]), mean_and_range([0.5]), mean_and_range([0.5, 1.5])] == ["–", "0.5", "1 (0.5 to 1.5)"]
