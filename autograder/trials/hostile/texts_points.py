"""What cases want points by: code for the first answer cell, by class.  LEAST: the least points of an exercise."""

HOOKS = {
    "sys.displayhook prints points": "import sys\nsys.displayhook = lambda value: print(LEAST)",
    "floats are displayed as points": """
        shell = get_ipython()
        shell.display_formatter.formatters['text/plain'].for_type(float, lambda value, p, cycle: p.text('LEAST'))
    """,
    "a result is published before the check": """
        kernel = get_ipython().kernel
        def publish(*_):
            kernel.session.send(kernel.iopub_socket, 'execute_result',
                {'data': {'text/plain': 'LEAST'}, 'metadata': {}, 'execution_count': 1}, parent=kernel.get_parent('shell'))
        get_ipython().events.register('pre_run_cell', publish)
    """,
    "display publisher replaced": """
        class Publisher(type(get_ipython().displayhook)):
            def write_format_data(self, data, metadata=None):
                super().write_format_data({'text/plain': 'LEAST'}, metadata)
        get_ipython().displayhook.__class__ = Publisher
    """,
    "excepthook and stdout replaced": """
        import sys
        class Out:
            def write(self, words): sys.__stdout__.write('LEAST')
            def flush(self): pass
        sys.stdout, sys.stderr, sys.excepthook = Out(), Out(), lambda *why: print(LEAST)
    """,
}
TRANSFORMERS = {
    "input transformer makes checks constants": """
        get_ipython().input_transformers_post.append(
            lambda lines: ['LEAST'] if any('bdlab.check' in line for line in lines) else lines)
    """,
    "syntax transformer makes checks constants": """
        import ast
        class Points(ast.NodeTransformer):
            def visit_Call(self, node):
                return ast.copy_location(ast.Constant(LEAST), node) if 'check' in ast.unparse(node) else node
        get_ipython().ast_transformers.append(Points())
    """,
    "compile and exec of builtins replaced": """
        import builtins
        compiled = builtins.compile
        def patched(source, *more, **named):
            return compiled('LEAST' if 'check' in str(source) else source, *more, **named)
        builtins.compile = patched
        builtins.exec = lambda *_: None
    """,
    "a trace function rewrites what returns": """
        import sys
        def trace(frame, event, value):
            frame.f_locals.update(complaint=None, points=LEAST)
            return trace
        sys.settrace(trace)
        sys.setprofile(trace)
    """,
}
HELPERS = {
    "bdlab.check returns points": "import bdlab\nbdlab.check = lambda name: LEAST",
    "comparison of bdlab replaced": """
        import bdlab.exercises.comparing, bdlab.exercises.verdict
        bdlab.exercises.comparing.difference = bdlab.exercises.verdict.difference = lambda *_: None
        bdlab.exercises.verdict.complaint = lambda *_: None
    """,
    "comparison of torch and numpy replaced": """
        import numpy, torch
        yes = lambda *_, **named: True
        torch.equal = torch.allclose = torch.isclose = numpy.array_equal = numpy.allclose = numpy.testing.assert_equal = yes
        torch.Tensor.__eq__ = torch.Tensor.equal = torch.Tensor.allclose = yes
    """,
    "sum, min, max, float of builtins replaced": """
        import builtins
        for name in ('sum', 'min', 'max', 'float', 'all', 'any', 'abs'):
            setattr(builtins, name, lambda *_, **named: LEAST)
    """,
    "the answering side says what it likes": """
        import bdlab.submission.executor as executor, bdlab.submission.frames as frames
        number = [0]
        def answer(self, frame):
            return frames.encode({'id': frames.decode(frame)['id'], 'value': LEAST})
        executor.Executor.answer = answer
    """,
    "the answering side raises what it likes": """
        import bdlab.submission.executor as executor
        executor._class = lambda error: 'ValueError'
        executor.Executor._call = lambda self, *args, **named: (_ for _ in ()).throw(ValueError())
    """,
}
LIARS = {
    "equal to everything": "type('Liar', (), {'__eq__': lambda self, other: True, '__hash__': lambda self: 0})()",
    "a tensor that answers every torch function": "Lies(torch.zeros(1))",
    "an array interface over other memory": "Interface()",
    "a float that compares as anything": "type('F', (float,), {'__eq__': lambda s, o: True, '__lt__': lambda s, o: 1})()",
    "a dict that has every key": "type('Dict', (dict,), {'__missing__': lambda s, k: True, '__eq__': lambda s, o: True})()",
    "our own marks": "{'raised': 'ValueError'}",
    "marks of a complaint": "{'wrong': ''}",
    "a tensor without memory": "torch.zeros(3, device='meta')",
    "a tuple as long as you like": "type('Long', (tuple,), {'__len__': lambda s: 3, '__getitem__': lambda s, i: args[0]})()",
    "what it was given": "args[0] if len(args) < 2 else args",
}
LIAR_CLASSES = """
class Lies(torch.Tensor):
    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        return True if function in (torch.equal, torch.allclose, torch.Tensor.__eq__) else torch.zeros(1)
class Interface:
    __array_interface__ = {'shape': (1 << 20,), 'typestr': '<f4', 'data': (id(None), False), 'version': 3}
    def __array__(self, *_, **named): return __import__('numpy').zeros(1)
    def __dlpack__(self, **named): return 0
"""
INSPECTION = {
    "the caller's frames hold what is expected": """
        import sys
        def found():
            frame = sys._getframe()
            while frame:
                known = frame.f_locals
                if 'expected' in known and 'part' in known:
                    value = known['expected'][known['part'].name][known.get('number', 0)]
                    return list(value.values())[-1] if isinstance(value, dict) else value
                frame = frame.f_back
    """,
    "gc finds what is expected": """
        import gc
        def found():
            for thing in gc.get_objects():
                if isinstance(thing, dict) and 'expected' in thing and 'part' in thing:
                    value = thing['expected'][thing['part'].name][0]
                    return list(value.values())[-1] if isinstance(value, dict) else value
                if type(thing).__name__ == 'Master':
                    return next(iter(thing.expected.values()))
    """,
    "frozen outcomes of the package": """
        def found():
            from bdlab.exercises.frozen import frozen
            from bdlab.exercises.lessons import every
            return next(iter(frozen(TASK)[0].values()))[0]
    """,
    "a secret in the memory of this process": """
        def found():
            for line in open('/proc/self/maps'):
                low, high = (int(part, 16) for part in line.split()[0].split('-'))
                if ' rw' in line and high - low < 1 << 26:
                    with open('/proc/self/mem', 'rb') as memory:
                        memory.seek(low)
                        data = memory.read(high - low)
                        at = data.find(b'hmac-of-')
                        while at >= 0:
                            if data[at + 8 : at + 18] == b'the-course':
                                open('@OUTSIDE@/secret', 'w').write('found')
                            at = data.find(b'hmac-of-', at + 1)
    """,
}
