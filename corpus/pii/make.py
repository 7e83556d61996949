"""Makes the texts over which the detectors of personal data and credentials are measured: `python3 corpus/pii/make.py >corpus/pii/cases.txt`.

Everything is made up: numbers are drawn by a seeded generator and given the check digits that their standards ask for, computed here and
not by what is measured. One text a line; what a detector should find stands in «kind:value». Lines without a mark are hard negatives:
they look like something and are not. `--check` holds the numbers against python-stdnum, where that is installed.
"""

import random
import string
import sys

draw = random.Random(20_261_128)
EACH = 80  # texts of each kind
NEGATIVES = 60  # texts of each family of hard negatives

digits = lambda n: "".join(draw.choice(string.digits) for _ in range(n))
pick = draw.choice
mark = lambda kind, value: f"«{kind}:{value}»"

FIRST = ["ana", "ben", "chloé", "dmitri", "emma", "farid", "grace", "hugo", "ines", "jürgen", "kofi", "lena", "mia", "noor", "olga", "paul"]
LAST = ["schmidt", "garcia", "rossi", "silva", "dupont", "smith", "okafor", "jansen", "nowak", "o'neil", "müller", "lopez", "kim", "tanaka"]
HOSTS = ["example.org", "mail.example.com", "bank.example", "post.example.co.uk", "example.museum", "kunden.beispiel.de", "a-b.example.io", "xn--bcher-kva.example.net"]
AROUND = [
    "user {} asked again",
    "could not notify {}: mailbox full",
    "GET /users/{}/accounts 404",
    '{{"level":"info","who":"{}","took_ms":12}}',
    "customer={} step=3 of 4",
    "retry 2 for [{}] in 5 s",
    "Traceback: ValueError('{}') in line 12",
    "{}",
    "transfer from {} refused, see 4bf92f3577b34da6a3ce929d0e0e4736",
    "a='{}', b=2",
]


def luhn(body):
    total = 0
    for place, digit in enumerate(reversed(body)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return body + str(-total % 10)


def groups(text, *lengths, sign=" "):
    out, at = [], 0
    for length in lengths:
        out.append(text[at : at + length])
        at += length
    return sign.join(part for part in out if part)


def card():
    begin, length = pick([("4", 16), ("51", 16), ("55", 16), ("2221", 16), ("34", 15), ("37", 15), ("6011", 16), ("3530", 16), ("36", 14)])
    number = luhn(begin + digits(length - len(begin) - 1))
    if length == 16 and draw.random() < 0.5:
        return groups(number, 4, 4, 4, 4, sign=pick([" ", "-"]))
    return number


IBANS = {"DE": "18n", "FR": "10n11c2n", "GB": "4a14n", "ES": "20n", "NL": "4a10n", "IT": "1a10n12c", "CH": "5n12c", "BE": "12n", "PL": "24n", "AT": "16n", "SE": "20n", "NO": "11n", "MT": "4a5n18c", "BR": "23n1a1c"}


def iban():
    country = pick(sorted(IBANS))
    body, count = "", ""
    for sign in IBANS[country]:
        if sign.isdigit():
            count += sign
            continue
        letters = {"n": string.digits, "a": string.ascii_uppercase, "c": string.digits + string.ascii_uppercase}[sign]
        body += "".join(pick(letters) for _ in range(int(count)))
        count = ""
    number = int("".join(str(int(c, 36)) for c in body + country + "00"))
    whole = f"{country}{98 - number % 97:02}{body}"
    way = draw.random()
    if way < 0.4:
        return groups(whole, *[4] * 9)
    return whole.lower() if way < 0.5 else whole


def email():
    first, last = pick(FIRST), pick(LAST)
    local = pick([f"{first}.{last}", f"{first}{digits(2)}", f"{first[0]}_{last}", f"{first}+{last}", first])
    return f"{local}@{pick(HOSTS)}"


def phone():
    way = draw.random()
    if way < 0.35:
        return pick([f"+49 30 {digits(7)}", f"+49-171-{digits(7)}", f"+44 20 {digits(4)} {digits(4)}", f"+33 1 {digits(2)} {digits(2)} {digits(2)} {digits(2)}", f"+34 6{digits(2)} {digits(3)} {digits(3)}", f"+351 21{digits(1)} {digits(3)} {digits(3)}"])
    if way < 0.6:
        return pick([f"+4930{digits(7)}", f"+4479{digits(8)}", f"+336{digits(8)}", f"+9198{digits(8)}", f"+5511{digits(9)}", f"+1{pick('23456789')}{digits(2)}{pick('23456789')}{digits(6)}"])
    area = lambda: pick("23456789") + pick("023456789") + digits(1)
    if way < 0.85:
        return pick([f"({area()}) {area()}-{digits(4)}", f"{area()}-{area()}-{digits(4)}", f"+1 {area()}-{area()}-{digits(4)}", f"{area()}.{area()}.{digits(4)}"])
    return pick([f"0049 30 {digits(7)}", f"0033 6 {digits(2)} {digits(2)} {digits(2)} {digits(2)}"])


def us_ssn():
    area = pick([n for n in range(1, 900) if n != 666])
    return f"{area:03}-{draw.randrange(1, 100):02}-{draw.randrange(1, 10_000):04}"


def br_cpf():
    body = digits(9)
    for _ in range(2):
        total = sum(int(d) * by for d, by in zip(body, range(len(body) + 1, 1, -1)))
        body += str(total * 10 % 11 % 10)
    return f"{body[:3]}.{body[3:6]}.{body[6:9]}-{body[9:]}"


def fr_nir():
    body = f"{pick('12')}{digits(2)}{draw.randrange(1, 13):02}{draw.randrange(1, 96):02}{digits(6)}"
    key = f"{97 - int(body) % 97:02}"
    return body + key if draw.random() < 0.5 else groups(body + key, 1, 2, 2, 2, 3, 3, 2)


LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"


def es_dni():
    if draw.random() < 0.5:
        body = digits(8)
        return body + pick(["", "-"]) + LETTERS[int(body) % 23]
    first, body = pick("XYZ"), digits(7)
    letter = LETTERS[int(str("XYZ".index(first)) + body) % 23]
    return pick([f"{first}{body}{letter}", f"{first}-{body}-{letter}"])


ODD = dict(zip(string.digits + string.ascii_uppercase, [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23]))
EVEN = {c: int(c) if c.isdigit() else ord(c) - 65 for c in ODD}


def it_fiscal_code():
    letters = lambda n: "".join(pick("BCDFGLMNPRSTVZ") for _ in range(n))
    body = f"{letters(6)}{digits(2)}{pick('ABCDEHLMPRST')}{draw.randrange(1, 32):02}{pick(string.ascii_uppercase)}{digits(3)}"
    total = sum((ODD if place % 2 == 0 else EVEN)[c] for place, c in enumerate(body))
    return body + string.ascii_uppercase[total % 26]


def uk_nino():
    while True:
        prefix = pick("ABCEGHJKLMNOPRSTWXYZ") + pick("ABCEGHJKLMNPRSTWXYZ")
        if prefix not in {"BG", "GB", "KN", "NK", "NT", "TN", "ZZ"}:
            break
    number = digits(6)
    return pick([f"{prefix}{number}{pick('ABCD')}", f"{prefix} {groups(number, 2, 2, 2)} {pick('ABCD')}"])


BASE = string.ascii_letters + string.digits
noise = lambda n, of=BASE: "".join(pick(of) for _ in range(n))


def jwt():
    return f"eyJ{noise(17)}.eyJ{noise(draw.randrange(20, 60))}.{noise(43, BASE + '-_')}"


def key():
    return pick([f"AKIA{noise(16, string.ascii_uppercase + string.digits)}", f"ghp_{noise(36)}", f"sk_live_{noise(24)}", f"glpat-{noise(20)}", noise(64, "0123456789abcdef"), f"hvs.{noise(24)}"])


def credential():
    secret = noise(draw.randrange(10, 24))
    before, after = pick([("password=", ""), ("Authorization: Bearer ", ""), ('"client_secret": "', '"'), ("api_key: ", ""), ("postgres://bank:", "@db/bank"), ("token=", "")])
    return before, secret, after


WORDS = ["summer", "winter", "dragon", "letmein", "korrekt", "pferd"]


def positives():
    plain = {"card": card, "iban": iban, "email": email, "phone": phone, "us_ssn": us_ssn, "br_cpf": br_cpf, "fr_nir": fr_nir, "es_dni": es_dni, "it_fiscal_code": it_fiscal_code, "uk_nino": uk_nino, "jwt": jwt, "key": key}
    for kind, made in plain.items():
        for _ in range(EACH):
            yield pick(AROUND).format(mark(kind, made()))
    for _ in range(EACH):
        before, secret, after = credential()
        yield pick(AROUND).format(before + mark("credential", secret) + after).replace("{{", "{").replace("}}", "}")
    for _ in range(EACH):
        year, month, day = draw.randrange(1930, 2010), draw.randrange(1, 13), draw.randrange(1, 29)
        date = pick([f"{year}-{month:02}-{day:02}", f"{day}.{month}.{year}", f"{month:02}/{day:02}/{year}"])
        key_of = pick(["date_of_birth=", "dob: ", '"birthDate":"', "birthday=", "customer.birthdate: "])
        yield f"profile {key_of}{mark('birthdate', date)}" + ('"' if key_of.endswith('"') else "") + " loaded"
    # What only a reader who understands would find: they count against recall.
    for _ in range(EACH // 10):
        first, last, host = pick(FIRST), pick(LAST), pick(HOSTS)
        yield f"wrote to {mark('email', f'{first}.{last} (at) {host}')}"
        yield f"call him on {mark('phone', f'0{digits(2)} {digits(7)}')} after six"
        yield f"her number is {mark('us_ssn', us_ssn().replace('-', ''))}"
        yield f"born on the {mark('birthdate', f'{draw.randrange(1, 29)}. {draw.randrange(1, 13)}. {draw.randrange(1930, 2010)}')}"
        yield f"the word is {mark('credential', pick(WORDS) + digits(2))}"
        yield f"CPF {mark('br_cpf', br_cpf().replace('.', '').replace('-', ''))} given"
        yield f"account {mark('iban', iban().upper().replace(' ', ' . '))}"
    # Under keys that say so.
    for _ in range(EACH // 4):
        yield f"phone={mark('phone', f'0{digits(2)} {digits(7)}')}, next"
        yield '{"mobile_number": "' + mark("phone", f"0{digits(10)}") + '"}'
        yield f"ssn: {mark('us_ssn', us_ssn().replace('-', ''))}"
        yield f"cpf={mark('br_cpf', br_cpf().replace('.', '').replace('-', ''))}"


def other(number, places):
    """The same with one digit more, modulo ten: no check digit holds then."""
    at = pick([n for n, c in enumerate(number) if c.isdigit() and n in places])
    return number[:at] + str((int(number[at]) + 1) % 10) + number[at + 1 :]


def negatives():
    hexes = lambda n: noise(n, "0123456789abcdef")
    families = [
        lambda: f"request {hexes(32)} took {digits(4)} us",
        lambda: f"/accounts/{hexes(8)}-{hexes(4)}-{hexes(4)}-{hexes(4)}-{hexes(12)}/balance",
        lambda: f"at {draw.randrange(1_500_000_000, 1_900_000_000)}{digits(3)} ms, order {digits(8)}",
        lambda: f"ns={draw.randrange(1_500_000_000, 1_900_000_000)}{digits(9)}",
        lambda: f"from 10.{draw.randrange(256)}.{draw.randrange(256)}.{draw.randrange(256)}:{draw.randrange(1024, 65536)} to [2001:db8::{hexes(4)}]:443",
        lambda: f"2026-{draw.randrange(1, 13):02}-{draw.randrange(1, 29):02}T{draw.randrange(24):02}:{draw.randrange(60):02}:{draw.randrange(60):02}.{digits(3)}+0{draw.randrange(10)}:00 started",
        lambda: f"version {draw.randrange(20)}.{draw.randrange(100)}.{draw.randrange(1000)}-rc.{draw.randrange(9)} build {digits(6)}",
        lambda: f"card {other(card(), range(6, 40))} refused by check digit",
        lambda: f"IBAN {other(iban().upper(), range(4, 60))} is not valid",
        lambda: f"cpf {other(br_cpf(), range(13, 14))} wrong",
        lambda: f"dni {other(es_dni(), range(1, 8))} wrong",
        lambda: f"cod. fisc. {other(it_fiscal_code(), range(12, 15))} wrong",
        lambda: f"nir {other(fr_nir(), range(6, 25))} wrong",
        lambda: f"npm install @{pick(FIRST[:2])}/{pick(LAST[:4])}@{draw.randrange(20)}.{draw.randrange(20)}.{draw.randrange(20)} done",
        lambda: f"git clone git@git.example.com:team/{pick(LAST[:6])}.git",
        lambda: f"ssh {pick(FIRST[:2])}@host-{digits(2)} closed",
        lambda: f"GET /img/{pick(['logo', 'icon'])}@{pick('23')}x.png 200",
        lambda: f"unit getty@tty{digits(1)}.service started, @{pick(FIRST[:2])} mentioned",
        lambda: f"order {digits(3)}-{digits(7)}-{digits(7)} shipped, parcel {digits(12)}",
        lambda: f"delta +{digits(4)} -{digits(5)} lines, offset +{digits(6)}",
        lambda: f"000-{digits(2)}-{digits(4)} and 9{digits(2)}-{digits(2)}-{digits(4)} are nobody's",
        lambda: f"part {pick(['BG', 'GB', 'NK', 'ZZ', 'DA', 'QQ'])}{digits(6)}{pick('ABCD')} in stock",
        lambda: f"created 2026-{draw.randrange(1, 13):02}-{draw.randrange(1, 29):02}, due {draw.randrange(1, 29)}.{draw.randrange(1, 13)}.2027",
        lambda: f"pid {digits(5)} port {digits(4)} bytes {digits(9)} p99 {digits(3)}.{digits(2)} ms",
        lambda: f"spiffe://bank.example/svc/{pick(LAST[:4])} serial {hexes(2)}:{hexes(2)}:{hexes(2)}:{hexes(2)}",
        lambda: f"sku {noise(4, string.ascii_uppercase)}-{digits(4)}-{digits(4)}, batch {noise(2, string.ascii_uppercase)}{digits(8)}",
        lambda: f"the token expired, the password was wrong {digits(1)} times, no cookie",
        lambda: f"account 1{digits(9)} of {draw.randrange(99)} in shard 0{digits(2)}",
    ]
    for family in families:
        for _ in range(NEGATIVES):
            yield family()


def check():
    from stdnum import iban as standard
    from stdnum import luhn as standard_luhn
    from stdnum.br import cpf
    from stdnum.es import dni, nie
    from stdnum.fr import nir
    from stdnum.it import codicefiscale

    for _ in range(2_000):
        standard_luhn.validate(card().replace(" ", "").replace("-", ""))
        standard.validate(iban(), check_country=False)
        cpf.validate(br_cpf())
        nir.validate(fr_nir())
        number = es_dni().replace("-", "")
        (nie if number[0] in "XYZ" else dni).validate(number)
        code = it_fiscal_code()
        assert codicefiscale.calc_check_digit(code[:-1]) == code[-1], code
    print("all hold", file=sys.stderr)


if __name__ == "__main__":
    if "--check" in sys.argv:
        check()
    else:
        lines = [*positives(), *negatives()]
        draw.shuffle(lines)
        print("\n".join(lines))
