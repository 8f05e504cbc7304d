"""Text of an LLVM module → machine code → functions to call. The only module that uses llvmlite.

A module is compiled to an object file in memory, which is then linked into the process; code from
the cache on disk takes the second half of the same way. llvmlite is loaded when the first module
is compiled.

>>> text = "define i64 @twice(i64 %x) { %y = shl i64 %x, 1 ret i64 %y }"
>>> twice = compile_module(text).function("twice", ctypes.c_int64, [ctypes.c_int64])
>>> twice(21)
42
"""

from __future__ import annotations

import ctypes
import functools
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal, TypeAlias

from chainrule.core.errors import ArgumentError, ChainruleError, MissingDependencyError, nearest
from chainrule.native import cache
from chainrule.native.target import Target, host_target

#: How much LLVM improves a module before it selects instructions.
Effort: TypeAlias = Literal["none", "light", "full"]

#: The LLVM of llvmlite 0.45; older ones do not read pointers as they are written here.
_OLDEST_LLVM = 20

#: JITLink puts all sections of an object side by side, so short addresses reach; of Windows'
#: object files it knows too little.
_JIT_LINK = sys.platform != "win32"


class CodeError(ChainruleError, RuntimeError):
    """LLVM refuses a module, or its code does not fit this machine."""


class Compiled:
    """Functions in machine code, kept in memory as long as this or one of them is in use.

    Attributes:
        target: the CPU that the code is for.
        from_cache: whether the code came from the disk.
        size: bytes of the object file.
        seconds: time by stage: ``read`` (from the cache), else ``parse``, ``optimize`` and
            ``emit``; then ``load``.
    """

    def __init__(
        self,
        text: str | Callable[[], str],
        target: Target,
        effort: Effort | None,
        code: bytes,
        from_cache: bool,
        seconds: dict[str, float],
    ) -> None:
        self.target = target
        self.from_cache = from_cache
        self.seconds = seconds
        self._text = text
        self._effort = effort
        names, _, image = code.partition(b"\0")
        self.size = len(image)
        with _timed(seconds, "load"):
            self._addresses, self._keep = _link(names.decode().split(), image)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the functions."""
        return tuple(self._addresses)

    def address(self, name: str) -> int:
        """Return the address of a function; it is valid as long as this object is kept."""
        if name not in self._addresses:
            known = ", ".join(self._addresses) or "nothing"
            raise ArgumentError(
                "name", repr(name), f"a function of the module ({known})", nearest(name, self.names)
            )
        return self._addresses[name]

    def function(self, name: str, restype: Any, argtypes: Sequence[Any]) -> Callable[..., Any]:
        """Return a function to call from Python; other threads run during a call.

        Args:
            name: its name in the module.
            restype: a ctypes type, or ``None``.
            argtypes: ctypes types of its arguments.
        """
        made: Any = ctypes.CFUNCTYPE(restype, *argtypes)(self.address(name))
        made.compiled = self  # the code must outlive the function
        return made  # type: ignore[no-any-return]

    def text(self) -> str:
        """Return the module as it came."""
        return _text_of(self._text)

    @property
    def ir(self) -> str:
        """The optimized module as text; it is made on demand."""
        return optimized(self.text(), self.target, self._effort)

    def assembly(self) -> str:
        """Return the machine code as text; it is made on demand."""
        return assembly(self.text(), self.target, self._effort)

    def __repr__(self) -> str:
        came = "from the cache" if self.from_cache else "compiled"
        return f"<Compiled {', '.join(self.names)}: {self.size:,} bytes, {came}>"


def compile_module(
    text: str | Callable[[], str],
    *,
    target: Target | None = None,
    key: str | None = None,
    effort: Effort | None = None,
) -> Compiled:
    """Compile a module, or fetch its code from the cache on disk.

    Args:
        text: the module as LLVM writes it. A function that makes the text is only called if the
            cache lacks the code; it needs a ``key``.
        target: the CPU to compile for (default: this one).
        key: what the text follows from, such as the digest of a graph and its options; it stands
            for the text in the key of the cache, together with the version and the source files of
            Chainrule.
        effort: how much LLVM improves the module before it selects instructions: ``"none"``,
            ``"light"`` (a few passes), or ``"full"`` (what a C compiler does at -O3, without its
            vectorizers and unrolling: generated code is unrolled and vectorized as it should be).
            Default: full for small modules, where it takes a few milliseconds and may save 5 % of
            the run time; light for others, where full would double the time to compile.

    Returns:
        The functions of the module that are not internal to it.

    Raises:
        CodeError: the module is wrong, or this machine cannot run code for the target.
        MissingDependencyError: llvmlite is not there.
    """
    if key is None and not isinstance(text, str):
        raise ArgumentError("key", "None", "a key, since the text is made on demand")
    if effort not in (None, "none", "light", "full"):
        raise ArgumentError("effort", repr(effort), "'none', 'light' or 'full'")
    _llvm()
    target = host_target() if target is None else target
    if not target.runs_here:
        raise CodeError(
            f"target: got {target.cpu} ({target.triple}); expected a CPU whose code runs on "
            f"{host_target().cpu}. `assembly(text, target)` shows code for other CPUs."
        )
    seconds: dict[str, float] = {}
    with _timed(seconds, "read"):
        subject = f"text\n{text}" if key is None else f"key\n{key}\n{cache.fingerprint()}"
        digest = cache.key_of(
            subject,
            *(target.triple, target.cpu, target.features),
            *(str(effort), versions(), _settings()),
        )
        code = cache.load(digest)
    if code is not None:
        try:
            return Compiled(text, target, effort, code, True, seconds)
        except CodeError:  # whole and of the right key, yet it does not link here
            cache.discard(digest)
    seconds.clear()
    code = _emit(_text_of(text), target, effort, seconds)
    made = Compiled(text, target, effort, code, False, seconds)
    cache.store(digest, code)
    return made


def optimized(text: str, target: Target | None = None, effort: Effort | None = None) -> str:
    """Return a module as text after LLVM has improved it."""
    with _module(text, target or host_target(), effort, {}) as (module, _):
        return str(module)


def assembly(text: str, target: Target | None = None, effort: Effort | None = None) -> str:
    """Return the machine code of a module as text, for any CPU that LLVM knows."""
    with _module(text, target or host_target(), effort, {}) as (module, machine):
        return str(machine.emit_assembly(module))


# llvmlite -----------------------------------------------------------------------------------------


@functools.cache
def _load() -> tuple[Any, str]:
    """Import and initialize llvmlite; return the module, or None and the reason."""
    try:
        import llvmlite.binding as llvm
    except ImportError as error:
        return None, f"llvmlite cannot be imported ({error}). Install it: pip install llvmlite"
    except OSError as error:
        return None, f"llvmlite cannot be loaded ({error})."
    if llvm.llvm_version_info[0] < _OLDEST_LLVM:
        return None, (
            f"llvmlite brings LLVM {llvm.llvm_version_info[0]}; expected {_OLDEST_LLVM} or newer. "
            "Install it: pip install --upgrade llvmlite"
        )
    try:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        llvm.check_jit_execution()
    except (OSError, RuntimeError) as error:
        return None, f"this system does not let programs run code that they make ({error})."
    return llvm, ""


def is_available() -> bool:
    """Whether code can be compiled and run here."""
    return not why_not()


def why_not() -> str:
    """Return why code cannot be compiled here, or nothing."""
    return _load()[1]


def _llvm() -> Any:
    llvm, reason = _load()
    if reason:
        raise MissingDependencyError(f"native code: {reason}")
    return llvm


@functools.cache
def host() -> tuple[str, str, str]:
    """Return triple, CPU and features of this machine."""
    llvm = _llvm()
    try:
        features = llvm.get_host_cpu_features().flatten()
    except RuntimeError:  # a CPU that LLVM does not know: its name tells the features
        features = ""
    return llvm.get_process_triple(), llvm.get_host_cpu_name(), features


@functools.cache
def versions() -> str:
    """Return the versions of the compiler, which are part of every key of the cache."""
    import llvmlite

    return f"llvmlite {llvmlite.__version__}, LLVM {_llvm().llvm_version_info}"


# Compiling ----------------------------------------------------------------------------------------

#: LLVM's selection of instructions as at -O2; -O1 and -O3 take the same time, and so does the code.
_SELECTION = 2


def _settings() -> str:
    """Return what else the code follows from, besides text and target."""
    return f"selection {_SELECTION}, JITLink {_JIT_LINK}, light {_LIGHT}, small {_SMALL}"


def _machine(target: Target) -> Any:
    """Return a new target machine: each use needs its own, since LLVM objects own theirs."""
    llvm = _llvm()
    if target.arch != host_target().arch:
        llvm.initialize_all_targets()
        llvm.initialize_all_asmprinters()
    model = {"reloc": "pic", "codemodel": "small"} if _JIT_LINK else {"codemodel": "jitdefault"}
    return llvm.Target.from_triple(target.triple).create_target_machine(
        cpu=target.cpu, features=target.features, opt=_SELECTION, **model
    )


@contextmanager
def _module(
    text: str, target: Target, effort: Effort | None, seconds: dict[str, float]
) -> Iterator[tuple[Any, Any]]:
    """Parse and improve a module; yield it and its target machine, and free both."""
    llvm = _llvm()
    context = llvm.create_context()  # of its own: the global one would keep all types and constants
    module = None
    try:
        with _timed(seconds, "parse"), _refusals():
            module = llvm.parse_assembly(text, context)
            module.verify()
            machine = _machine(target)
            module.triple = machine.triple
            module.data_layout = str(machine.target_data)
        with machine:
            with _timed(seconds, "optimize"):
                _improve(module, machine, effort or ("full" if len(text) < _SMALL else "light"))
            yield module, machine
    finally:
        if module is not None:
            module.close()
        context.close()


def _emit(text: str, target: Target, effort: Effort | None, seconds: dict[str, float]) -> bytes:
    """Return the names of a module's functions, a zero byte, and its object file."""
    with _module(text, target, effort, seconds) as (module, machine):
        names = [
            function.name
            for function in module.functions
            if not function.is_declaration and function.linkage.name not in ("internal", "private")
        ]
        with _timed(seconds, "emit"), _refusals():
            image: bytes = machine.emit_object(module)
    return " ".join(names).encode() + b"\0" + image


#: Characters of a module below which the full effort is worth its time: about 1,000 lines.
_SMALL = 50_000
#: Passes of the light effort, in order.
_LIGHT = ("loop_rotate", "instruction_combine", "simplify_cfg")


def _improve(module: Any, machine: Any, effort: Effort) -> None:
    if effort == "none":
        return
    llvm = _llvm()
    options = llvm.create_pipeline_tuning_options(speed_level=3 if effort == "full" else 1)
    options.loop_vectorization = options.slp_vectorization = options.loop_unrolling = False
    with options, llvm.create_pass_builder(machine, options) as builder:
        if effort == "full":
            with _freed(builder.getModulePassManager()) as manager:
                manager.run(module, builder)
            return
        with _freed(llvm.create_new_function_pass_manager()) as manager:
            for name in _LIGHT:
                getattr(manager, f"add_{name}_pass")()
            for function in module.functions:
                if not function.is_declaration:
                    manager.run(function, builder)


@contextmanager
def _freed(manager: Any) -> Iterator[Any]:
    """Yield a pass manager and free it.

    llvmlite's own ``close`` frees nothing, seen in 0.45 to 0.50: ``ObjectRef``, whose ``_dispose``
    is empty, stands before the class that has the real one. Half a megabyte a module leaked.
    """
    try:
        yield manager
    finally:
        dispose = getattr(_llvm().newpassmanagers.NewPassManager, "_dispose", None)
        if dispose is None:
            manager.close()
        else:
            dispose(manager)
            manager.detach()


def _link(names: Sequence[str], image: bytes) -> tuple[Mapping[str, int], object]:
    """Put an object file into memory.

    Returns:
        The addresses of the functions, and what keeps them alive.
    """
    llvm = _llvm()
    builder = llvm.JITLibraryBuilder().add_object_img(image)
    builder.add_current_process()  # memset, memcpy, and what the code of intrinsics calls
    for name in names:
        builder.export_symbol(name)
    with _refusals():
        # A linker a module: in a shared one each library that is dropped leaves its name behind.
        linker = llvm.create_lljit_compiler(use_jit_link=_JIT_LINK, suppress_errors=True)
        library = builder.link(linker, "code")
    return {name: library[name] for name in names}, (library, linker)


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn LLVM's errors into ours."""
    try:
        yield
    except RuntimeError as error:
        raise CodeError(
            f"module: got code that LLVM refuses ({' '.join(str(error).split())}); expected a "
            "valid module, which calls nothing that is not there. This is a mistake in Chainrule: "
            "please report it."
        ) from error


@contextmanager
def _timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[stage] = time.perf_counter() - start


def _text_of(text: str | Callable[[], str]) -> str:
    return text if isinstance(text, str) else text()
