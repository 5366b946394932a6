"""What worlds from recordings are measured by. Never imported by the program."""
