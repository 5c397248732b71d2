"""What scripts that check the real program have in common."""


class Checks:
    """What did not hold, of all that was looked at."""

    def __init__(self):
        self.wrong = []
        self.checks = 0

    def check(self, holds, what):
        self.checks += 1
        if not holds:
            self.wrong.append(what)

    def report(self):
        """Prints what did not hold; the exit code."""
        print(*self.wrong, sep="\n")
        print(f"{self.checks} checks, {len(self.wrong)} wrong")
        return 1 if self.wrong else 0
