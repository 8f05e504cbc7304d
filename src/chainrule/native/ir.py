"""LLVM IR as text: a builder of one function, whose values are scalars or vectors of lanes.

Writing text is several times quicker than building objects that print themselves, and what is
written can be read. Nothing here imports llvmlite; ``jit`` compiles the text.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Kind: TypeAlias = Literal["f32", "f64", "i1", "i8", "i16", "i32", "i64"]

_NAMES = {"f32": "float", "f64": "double"}
#: Bits of each kind.
BITS: dict[Kind, int] = {
    "f32": 32, "f64": 64, "i1": 1, "i8": 8, "i16": 16, "i32": 32, "i64": 64,
}  # fmt: skip


#: Kind of register that holds the values of a NumPy dtype.
KINDS: dict[str, Kind] = {
    "float32": "f32", "float64": "f64", "bool": "i1", "int8": "i8", "uint8": "i8", "int16": "i16",
    "uint16": "i16", "int32": "i32", "uint32": "i32", "int64": "i64", "uint64": "i64",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Value:
    """A value of a function: a register, an argument, or a constant.

    Attributes:
        text: how it stands in the code.
        kind: kind of each lane.
        lanes: 1 for a scalar.
    """

    text: str
    kind: Kind
    lanes: int = 1

    @property
    def type(self) -> str:
        """The LLVM type."""
        return type_of(self.kind, self.lanes)

    @property
    def is_float(self) -> bool:
        """Whether the lanes are floats."""
        return self.kind[0] == "f"


def type_of(kind: Kind, lanes: int = 1) -> str:
    """Return the LLVM type of a scalar or vector."""
    scalar = _NAMES.get(kind, kind)
    return scalar if lanes == 1 else f"<{lanes} x {scalar}>"


def literal(value: float, kind: Kind) -> str:
    """Return a number as LLVM writes it: floats by their bits."""
    if kind == "f32":  # a float is written as the double of the same value
        value = struct.unpack("f", struct.pack("f", value))[0]
    if kind[0] == "f":
        return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"
    if kind == "i1":
        return "true" if value else "false"
    bits = BITS[kind]
    wrapped = int(value) & ((1 << bits) - 1)
    return str(wrapped - (1 << bits) if wrapped >> (bits - 1) else wrapped)


class Function:
    """A function under construction.

    Args:
        name: its name in the module.
        arguments: kind and name of each argument; kind ``"ptr"`` is a pointer.
        result: kind of the result, or ``"void"``.
        linkage: ``"internal"`` if nothing outside of the module calls it.

    Attributes:
        declarations: declarations of the intrinsics that it calls.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[tuple[str, str]],
        result: str = "void",
        linkage: str = "",
    ) -> None:
        self.name = name
        self._linkage = linkage
        self.result = result
        self._arguments = arguments
        self._lines: list[str] = ["entry:"]
        self._count = 0
        self._block = "entry"
        self.declarations: set[str] = set()
        self._signed = True

    @contextmanager
    def sign_of(self, signed: bool) -> Iterator[None]:
        """Say whether the integers that are worked on inside the block have a sign."""
        before = self._signed
        self._signed = signed
        yield
        self._signed = before

    # Text -----------------------------------------------------------------------------------

    def emit(self, line: str) -> None:
        """Append an instruction."""
        self._lines.append(f"  {line}")

    def comment(self, text: str) -> None:
        """Append a comment."""
        self._lines.append(f"  ; {text}")

    def fresh(self, hint: str = "v") -> str:
        """Return a new name of a register or block, without its ``%``."""
        self._count += 1
        return f"{hint}{self._count}"

    def text(self) -> str:
        """Return the whole function."""
        given = ", ".join(
            f"ptr noalias %{name}" if kind == "ptr" else f"{_NAMES.get(kind, kind)} %{name}"
            for kind, name in self._arguments
        )
        result = _NAMES.get(self.result, self.result)
        lines = [f"define {self._linkage} {result} @{self.name}({given}) #0 {{", *self._lines, "}"]
        return "\n".join(lines)

    # Control flow ---------------------------------------------------------------------------

    @property
    def block(self) -> str:
        """Name of the block that instructions go into."""
        return self._block

    def start_block(self, name: str) -> None:
        """Begin a block."""
        self._lines.append(f"{name}:")
        self._block = name

    def jump(self, block: str) -> None:
        """Go to a block."""
        self.emit(f"br label %{block}")

    def branch(self, condition: Value, if_true: str, if_false: str) -> None:
        """Go to one of two blocks."""
        self.emit(f"br i1 {condition.text}, label %{if_true}, label %{if_false}")

    @contextmanager
    def loop(
        self, count: Value | int, step: int = 1, start: Value | int = 0, hint: str = "i"
    ) -> Iterator[Value]:
        """Repeat the block for an index from ``start`` below ``count``; it may not run at all.

        Yields:
            The index, i64.
        """
        with self.accumulating(count, (), step, start, hint) as (index, _, _):
            yield index

    @contextmanager
    def accumulating(
        self,
        count: Value | int,
        initial: Sequence[Value],
        step: int = 1,
        start: Value | int = 0,
        hint: str = "i",
    ) -> Iterator[tuple[Value, list[Value], list[Value]]]:
        """Repeat the block, handing values on from one pass to the next.

        Put the next values into the third element before the block ends; when it has ended, the
        same list holds the last values.

        Yields:
            The index, the current values, and the list for the next ones.
        """
        head, body, done = self.fresh("loop"), self.fresh("body"), self.fresh("done")
        before = self._block
        first = self.i64(start) if isinstance(start, int) else start
        end = self.i64(count) if isinstance(count, int) else count
        index = Value(f"%{self.fresh(hint)}", "i64")
        current = [Value(f"%{self.fresh('acc')}", v.kind, v.lanes) for v in initial]
        self.jump(head)
        self.start_block(head)
        place = len(self._lines)  # the phis are written when the end of the body is known
        more = Value(f"%{self.fresh('more')}", "i1")
        self.emit(f"{more.text} = icmp slt i64 {index.text}, {end.text}")
        self.branch(more, body, done)
        self.start_block(body)
        following = list(current)
        yield index, current, following
        advanced = f"%{self.fresh('next')}"
        self.emit(f"{advanced} = add nsw i64 {index.text}, {step}")
        latch = self._block
        self.jump(head)
        phis = [f"  {index.text} = phi i64 [{first.text}, %{before}], [{advanced}, %{latch}]"]
        for v, old, new in zip(current, initial, following, strict=True):
            phis.append(
                f"  {v.text} = phi {v.type} [{old.text}, %{before}], [{new.text}, %{latch}]"
            )
        self._lines[place:place] = phis
        self.start_block(done)
        following[:] = current

    @contextmanager
    def when(self, condition: Value) -> Iterator[None]:
        """Run the block only where a scalar condition holds."""
        inside, after = self.fresh("then"), self.fresh("after")
        self.branch(condition, inside, after)
        self.start_block(inside)
        yield
        self.jump(after)
        self.start_block(after)

    # Constants ------------------------------------------------------------------------------

    def constant(self, value: float, kind: Kind, lanes: int = 1) -> Value:
        """Return a number, the same in all lanes."""
        scalar = literal(value, kind)
        if lanes == 1:
            return Value(scalar, kind)
        each = f"{type_of(kind)} {scalar}"
        return Value(f"<{', '.join([each] * lanes)}>", kind, lanes)

    def like(self, x: Value, value: float) -> Value:
        """Return a number of the kind and lanes of ``x``."""
        return self.constant(value, x.kind, x.lanes)

    def i64(self, value: int) -> Value:
        """Return a whole number."""
        return Value(str(value), "i64")

    def numbers(self, lanes: int) -> Value:
        """Return 0, 1, 2, ... in the lanes, i64."""
        if lanes == 1:
            return self.i64(0)
        each = ", ".join(f"i64 {i}" for i in range(lanes))
        return Value(f"<{each}>", "i64", lanes)

    # Operations, lane by lane ---------------------------------------------------------------

    def _new(self, code: str, kind: Kind, lanes: int) -> Value:
        name = f"%{self.fresh()}"
        self.emit(f"{name} = {code}")
        return Value(name, kind, lanes)

    def _binary(self, x: Value, y: Value, for_floats: str, for_integers: str) -> Value:
        name = for_floats if x.is_float else for_integers
        return self._new(f"{name} {x.type} {x.text}, {y.text}", x.kind, x.lanes)

    def add(self, x: Value, y: Value) -> Value:
        """Return ``x + y``; of bools, whether one of them holds."""
        return self._binary(x, y, "fadd", "or" if x.kind == "i1" else "add")

    def sub(self, x: Value, y: Value) -> Value:
        """Return ``x - y``."""
        return self._binary(x, y, "fsub", "sub")

    def mul(self, x: Value, y: Value) -> Value:
        """Return ``x · y``; of bools, whether both hold."""
        return self._binary(x, y, "fmul", "and" if x.kind == "i1" else "mul")

    def div(self, x: Value, y: Value) -> Value:
        """Return ``x / y``; of integers, towards 0."""
        return self._binary(x, y, "fdiv", "sdiv")

    def neg(self, x: Value) -> Value:
        """Return ``-x``, of floats with the sign of 0 turned."""
        if x.is_float:
            return self._new(f"fneg {x.type} {x.text}", x.kind, x.lanes)
        return self.sub(self.like(x, 0), x)

    def bits_and(self, x: Value, y: Value) -> Value:
        """Return the bits in both integers."""
        return self._new(f"and {x.type} {x.text}, {y.text}", x.kind, x.lanes)

    def bits_or(self, x: Value, y: Value) -> Value:
        """Return the bits in either integer."""
        return self._new(f"or {x.type} {x.text}, {y.text}", x.kind, x.lanes)

    def bits_xor(self, x: Value, y: Value) -> Value:
        """Return the bits in one of two integers."""
        return self._new(f"xor {x.type} {x.text}, {y.text}", x.kind, x.lanes)

    def shift_left(self, x: Value, by: int) -> Value:
        """Shift the bits of integers up."""
        return self._new(f"shl {x.type} {x.text}, {self.like(x, by).text}", x.kind, x.lanes)

    def shift_right(self, x: Value, by: int, is_signed: bool = False) -> Value:
        """Shift the bits of integers down."""
        name = "ashr" if is_signed else "lshr"
        return self._new(f"{name} {x.type} {x.text}, {self.like(x, by).text}", x.kind, x.lanes)

    def compare(self, how: str, x: Value, y: Value, is_signed: bool | None = None) -> Value:
        """Compare: ``how`` is eq, ne, lt, le, gt or ge; with NaN only ne holds."""
        is_signed = self._signed if is_signed is None else is_signed
        if x.is_float:
            name = f"fcmp {'une' if how == 'ne' else 'o' + how}"
        else:
            sign = "" if how in ("eq", "ne") else "s" if is_signed and x.kind != "i1" else "u"
            name = f"icmp {sign}{how}"
        return self._new(f"{name} {x.type} {x.text}, {y.text}", "i1", x.lanes)

    def is_nan(self, x: Value) -> Value:
        """Whether lanes are NaN."""
        return self._new(f"fcmp uno {x.type} {x.text}, {x.text}", "i1", x.lanes)

    def select(self, condition: Value, x: Value, y: Value) -> Value:
        """Return ``x`` where the condition holds, else ``y``."""
        parts = [f"{v.type} {v.text}" for v in (condition, x, y)]
        return self._new(f"select {', '.join(parts)}", x.kind, x.lanes)

    def bitcast(self, x: Value, kind: Kind) -> Value:
        """Read the same bits as another kind of the same size."""
        return self._new(f"bitcast {x.type} {x.text} to {type_of(kind, x.lanes)}", kind, x.lanes)

    def convert(self, x: Value, kind: Kind, is_signed: bool | None = None) -> Value:
        """Convert between kinds: floats to integers towards 0, integers by their value.

        Floats that are no integers of the kind become its smallest one, as on x86.
        """
        if x.kind == kind:
            return x
        is_signed = self._signed if is_signed is None else is_signed
        if x.is_float and kind[0] == "i":
            return self._to_integer(x, kind)
        is_signed = is_signed and x.kind != "i1"
        if x.is_float and kind[0] == "f":
            name = "fpext" if BITS[kind] > BITS[x.kind] else "fptrunc"
        elif kind[0] == "f":
            name = "sitofp" if is_signed else "uitofp"
        elif BITS[kind] > BITS[x.kind]:
            name = "sext" if is_signed else "zext"
        else:
            name = "trunc"
        return self._new(f"{name} {x.type} {x.text} to {type_of(kind, x.lanes)}", kind, x.lanes)

    def _to_integer(self, x: Value, kind: Kind) -> Value:
        if BITS[kind] < 32:
            return self.convert(self._to_integer(x, "i32"), kind)
        bound = self.like(x, 2.0 ** (BITS[kind] - 1))
        fits = self.bits_and(self.compare("ge", x, self.neg(bound)), self.compare("lt", x, bound))
        found = self._new(f"fptosi {x.type} {x.text} to {type_of(kind, x.lanes)}", kind, x.lanes)
        # What does not fit is poison, which must not choose an address.
        return self.select(fits, found, self.like(found, -(1 << (BITS[kind] - 1))))

    def _intrinsic(self, name: str, *xs: Value) -> Value:
        x = xs[0]
        suffix = f"{x.kind}" if x.lanes == 1 else f"v{x.lanes}{x.kind}"
        full = f"@llvm.{name}.{suffix}"
        types = ", ".join(v.type for v in xs)
        self.declarations.add(f"declare {x.type} {full}({types})")
        given = ", ".join(f"{v.type} {v.text}" for v in xs)
        return self._new(f"call {x.type} {full}({given})", x.kind, x.lanes)

    def funnel_left(self, x: Value, y: Value, by: Value) -> Value:
        """Shift integers up by ``by`` bits (modulo their size), filling in the high bits of y."""
        return self._intrinsic("fshl", x, y, by)

    def fma(self, x: Value, y: Value, z: Value) -> Value:
        """Return ``x · y + z``, rounded once."""
        return self._intrinsic("fma", x, y, z)

    def sqrt(self, x: Value) -> Value:
        """Return ``√x``."""
        return self._intrinsic("sqrt", x)

    def abs(self, x: Value) -> Value:
        """Return ``|x|`` of floats."""
        return self._intrinsic("fabs", x)

    def floor(self, x: Value) -> Value:
        """Round floats down."""
        return self._intrinsic("floor", x)

    def round_even(self, x: Value) -> Value:
        """Round floats to the nearest whole number, of two the even one."""
        return self._intrinsic("roundeven", x)

    def copysign(self, x: Value, sign: Value) -> Value:
        """Return ``x`` with the sign of another."""
        return self._intrinsic("copysign", x, sign)

    def maximum(self, x: Value, y: Value) -> Value:
        """Return the larger of two; NaN where one of them is."""
        if not x.is_float:
            return self.select(self.compare("ge", x, y), x, y)
        larger = self._new(f"fcmp uge {x.type} {x.text}, {y.text}", "i1", x.lanes)
        return self.select(larger, self._nan_of(x, y), y)

    def minimum(self, x: Value, y: Value) -> Value:
        """Return the smaller of two; NaN where one of them is."""
        if not x.is_float:
            return self.select(self.compare("le", x, y), x, y)
        smaller = self._new(f"fcmp ule {x.type} {x.text}, {y.text}", "i1", x.lanes)
        return self.select(smaller, self._nan_of(x, y), y)

    def _nan_of(self, x: Value, y: Value) -> Value:
        """Return ``x``, or ``y`` where that is NaN."""
        if y.text.startswith(("<", "0x")):  # a constant, which is none
            return x
        return self.select(self.is_nan(y), y, x)

    def magnitude(self, x: Value) -> Value:
        """Return ``|x|``."""
        if x.is_float:
            return self.abs(x)
        if not self._signed or x.kind == "i1":
            return x
        return self.select(self.compare("lt", x, self.like(x, 0)), self.neg(x), x)

    def sign(self, x: Value) -> Value:
        """Return -1, 0 or 1; NaN where ``x`` is."""
        zero = self.like(x, 0)
        if not x.is_float:  # below 0 there are only integers with a sign
            below = self.select(self.compare("lt", x, zero), self.like(x, -1), x)
            return self.select(self.compare("gt", x, zero), self.like(x, 1), below)
        below = self.select(self.compare("lt", x, zero), self.like(x, -1), self.add(x, zero))
        return self.select(self.compare("gt", x, zero), self.like(x, 1), below)

    def truth(self, x: Value) -> Value:
        """Whether lanes are not 0."""
        return x if x.kind == "i1" else self.compare("ne", x, self.like(x, 0))

    def is_finite(self, x: Value) -> Value:
        """Whether floats are neither infinite nor NaN."""
        return self.compare("lt", self.abs(x), self.like(x, float("inf")))

    def cast(self, x: Value, dtype: Any) -> Value:
        """Convert to a NumPy dtype, as ``astype`` does."""
        kind = KINDS[str(dtype)]
        if kind == "i1":
            return self.truth(x)
        if x.is_float and dtype.kind == "u" and BITS[kind] >= 32:
            return self._to_unsigned(x, kind)
        return self.convert(x, kind)

    def _to_unsigned(self, x: Value, kind: Kind) -> Value:
        """Convert floats to unsigned integers of 32 or 64 bits; negative ones wrap around."""
        wide = self._to_integer(x, "i64")
        if kind == "i32":
            return self.convert(wide, kind)
        bound = self.like(x, 2.0**63)
        above = self._to_integer(self.sub(x, bound), "i64")
        flipped = self.bits_xor(above, self.like(above, -(1 << 63)))
        return self.select(self.compare("ge", x, bound), flipped, wide)

    def power(self, x: Value, y: Value) -> Value:
        """Return ``x ** y`` of floats, lane by lane, from the system's library."""
        name = f"@llvm.pow.{x.kind}"
        scalar = type_of(x.kind)
        self.declarations.add(f"declare {scalar} {name}({scalar}, {scalar})")
        result = Value("poison", x.kind, x.lanes)
        for i in range(x.lanes):
            a, b = self.lane(x, i), self.lane(y, i)
            one = self._new(
                f"call {scalar} {name}({scalar} {a.text}, {scalar} {b.text})", x.kind, 1
            )
            result = one if x.lanes == 1 else self.with_lane(result, i, one)
        return result

    def with_lane(self, x: Value, i: int, lane: Value) -> Value:
        """Return a vector with another value in one lane."""
        code = f"insertelement {x.type} {x.text}, {lane.type} {lane.text}, i32 {i}"
        return self._new(code, x.kind, x.lanes)

    def math(self, name: str, x: Value) -> Value:
        """Apply a function of ``vmath`` by its name."""
        from chainrule.native.vmath import VMATH

        return VMATH[name](self, x)

    # Lanes ----------------------------------------------------------------------------------

    def splat(self, x: Value, lanes: int) -> Value:
        """Return a vector with a scalar in all lanes."""
        if lanes in (1, x.lanes):
            return x
        kind = type_of(x.kind, lanes)
        one = self._new(f"insertelement {kind} poison, {x.type} {x.text}, i32 0", x.kind, lanes)
        zeros = f"<{lanes} x i32> zeroinitializer"
        return self._new(f"shufflevector {kind} {one.text}, {kind} poison, {zeros}", x.kind, lanes)

    def lane(self, x: Value, i: int) -> Value:
        """Return one lane of a vector."""
        if x.lanes == 1:
            return x
        return self._new(f"extractelement {x.type} {x.text}, i32 {i}", x.kind, 1)

    def shuffle(self, x: Value, y: Value, order: Sequence[int]) -> Value:
        """Return the lanes of two vectors, numbered through, in an order."""
        mask = ", ".join(f"i32 {i}" for i in order)
        code = f"shufflevector {x.type} {x.text}, {y.type} {y.text}, <{len(order)} x i32> <{mask}>"
        return self._new(code, x.kind, len(order))

    def fold(self, x: Value, combine: Callable[[Value, Value], Value]) -> Value:
        """Combine the lanes of a vector, halves first: always in the same order."""
        while x.lanes > 1:
            half = x.lanes // 2
            if half == 1:
                x = combine(self.lane(x, 0), self.lane(x, 1))
            else:
                low = self.shuffle(x, x, range(half))
                x = combine(low, self.shuffle(x, x, range(half, 2 * half)))
        return x

    # Memory ---------------------------------------------------------------------------------

    def pointer(self, base: str, offset: Value | int, kind: Kind) -> str:
        """Return a register with the address of an element."""
        if isinstance(offset, int):
            if offset == 0:
                return base
            offset = self.i64(offset)
        name = f"%{self.fresh('p')}"
        self.emit(f"{name} = getelementptr inbounds {type_of(kind)}, ptr {base}, i64 {offset.text}")
        return name

    def element_pointer(self, pointers: str, i: int) -> str:
        """Return a register with element ``i`` of an array of pointers."""
        slot, register = f"%{self.fresh('slot')}", f"%{self.fresh('q')}"
        self.emit(f"{slot} = getelementptr ptr, ptr {pointers}, i64 {i}")
        self.emit(f"{register} = load ptr, ptr {slot}")
        return register

    def variable(self, value: Value) -> str:
        """Return a register that points to a new variable, which holds a value."""
        name = f"%{self.fresh('variable')}"
        self.emit(f"{name} = alloca {value.type}")
        self.store(value, name)
        return name

    def load(self, pointer: str, kind: Kind, lanes: int = 1) -> Value:
        """Read from an address; a vector need only be aligned as its elements are."""
        align = max(1, BITS[kind] // 8)
        return self._new(f"load {type_of(kind, lanes)}, ptr {pointer}, align {align}", kind, lanes)

    def store(self, x: Value, pointer: str) -> None:
        """Write to an address."""
        self.emit(f"store {x.type} {x.text}, ptr {pointer}, align {max(1, BITS[x.kind] // 8)}")

    def _mask(self, count: Value | int, lanes: int) -> str:
        if isinstance(count, int):
            bits = ", ".join(f"i1 {'true' if i < count else 'false'}" for i in range(lanes))
            return f"<{bits}>"
        numbers = ", ".join(f"i64 {i}" for i in range(lanes))
        each = self.splat(count, lanes)
        return self._new(f"icmp ult <{lanes} x i64> <{numbers}>, {each.text}", "i1", lanes).text

    def load_first(self, pointer: str, kind: Kind, lanes: int, count: Value | int) -> Value:
        """Read the first lanes of a vector, and 0 for the others, which memory need not hold."""
        kind_text = type_of(kind, lanes)
        name = f"@llvm.masked.load.v{lanes}{kind}.p0"
        mask_type = f"<{lanes} x i1>"
        self.declarations.add(f"declare {kind_text} {name}(ptr, i32, {mask_type}, {kind_text})")
        mask, align = self._mask(count, lanes), BITS[kind] // 8
        return self._new(
            f"call {kind_text} {name}(ptr {pointer}, i32 {align}, {mask_type} {mask}, "
            f"{kind_text} zeroinitializer)",
            kind,
            lanes,
        )

    def store_first(self, x: Value, pointer: str, count: Value | int) -> None:
        """Write the first lanes of a vector."""
        name = f"@llvm.masked.store.v{x.lanes}{x.kind}.p0"
        mask_type = f"<{x.lanes} x i1>"
        self.declarations.add(f"declare void {name}({x.type}, ptr, i32, {mask_type})")
        mask, align = self._mask(count, x.lanes), BITS[x.kind] // 8
        self.emit(
            f"call void {name}({x.type} {x.text}, ptr {pointer}, i32 {align}, {mask_type} {mask})"
        )

    def return_value(self, x: Value | None = None) -> None:
        """End the function."""
        self.emit("ret void" if x is None else f"ret {x.type} {x.text}")


def module_text(functions: Sequence[Function], globals_: Sequence[str] = ()) -> str:
    """Return a module of functions, with the declarations that they need."""
    declarations = sorted(set().union(*[f.declarations for f in functions]))
    return "\n".join(
        [*globals_, *declarations, *[f.text() for f in functions], "attributes #0 = { nounwind }"]
    )
