"""What cases reach for in files: other modules, the library's own answers, solutions, the gradebook.

NAME and TASK: of an exercise.  LEAST: the least points of one.
"""

RUN = "exec(compile(open(path).read(), path, 'exec'), globals())"
SHADOWS = {
    "an import hook serves a bdlab of its own": """
        import sys, importlib.abc, importlib.machinery
        class Hook(importlib.abc.MetaPathFinder, importlib.abc.Loader):
            def find_spec(self, name, path=None, target=None):
                if name.startswith(('bdlab', 'autograder')):
                    return importlib.machinery.ModuleSpec(name, self)
            def exec_module(self, module):
                module.check = module.__getattr__ = lambda *_: LEAST
        sys.meta_path.insert(0, Hook())
        for name in [name for name in sys.modules if name.startswith('bdlab')]:
            del sys.modules[name]
        import bdlab
    """,
    "files that shadow modules are written": """
        import os
        for folder in ('.', '/tmp', os.path.expanduser('~'), '@OUTSIDE@', '/edition', os.path.dirname(torch.__file__)):
            for name in ('bdlab.py', 'json.py', 'sitecustomize.py', 'usercustomize.py', 'x.pth'):
                try:
                    with open(os.path.join(folder, name), 'x') as file:
                        file.write("open('@OUTSIDE@/loaded', 'w')\\ncheck = lambda name: LEAST\\n")
                except OSError:
                    pass
    """,
    "modules replaced in sys.modules": """
        import sys, types
        for name in ('json', 'struct', 'bdlab.submission.frames', 'bdlab.exercises.verdict', 'numpy', 'select'):
            fake = types.ModuleType(name)
            fake.__getattr__ = lambda attribute: (lambda *_, **named: LEAST)
            sys.modules[name] = fake
    """,
}
LIBRARY = {
    "a function of bdlab with the exercise's name": """
        import bdlab
        thing = getattr(bdlab, NAME)
        return thing(*args, **named)
    """,
    "a class of bdlab does the work": """
        import bdlab
        last = int(args[-1]) if isinstance(args[-1], int) else 0
        for make in (lambda: getattr(bdlab, NAME)(last), lambda: bdlab.Patch(), lambda: bdlab.BadNets()):
            try:
                return make()(args[0])
            except TypeError:
                pass
    """,
    "any module of bdlab that has the name": """
        import importlib, pkgutil, bdlab
        for module in pkgutil.walk_packages(bdlab.__path__, 'bdlab.'):
            try:
                return getattr(importlib.import_module(module.name), NAME)(*args, **named)
            except (AttributeError, ImportError, TypeError):
                continue
    """,
    "another copy of bdlab on this machine": """
        import glob, importlib, os, sys
        folders = [*sys.path, *glob.glob('/usr/lib/python3*/*-packages'), *glob.glob(sys.prefix + '/lib/*/site-packages'),
                   '@COURSE@', '/opt']
        for folder in folders:
            if os.path.exists(os.path.join(folder, 'bdlab', 'attacks', '__init__.py')) and folder != '/edition':
                for name in [name for name in sys.modules if name.split('.')[0] == 'bdlab']:
                    del sys.modules[name]
                sys.path.insert(0, folder)
                import bdlab
                return bdlab.BadNets()(args[0])
    """,
    "the lecturer's package": """
        from pathlib import Path
        from autograder.authoring.folders import folder
        from autograder.authoring.sources import references
        for home in (folder(TASK[1:3]),):
            exec(references(home)[TASK].source, globals())
            return globals()[NAME](*args, **named)
    """,
}
FILES = {
    "solutions beside the course": f"path = '@OUTSIDE@/solutions.py'\n{RUN}",
    "another student's notebook": """
        import json
        for cell in json.load(open('@OUTSIDE@/submitted/ada/answers.ipynb'))['cells']:
            exec(cell['source'], globals())
    """,
    "solutions anywhere": """
        import glob, os, sys
        roots = {os.getcwd(), os.path.dirname(os.getcwd()), os.environ.get('PWD', '/'), os.environ.get('OLDPWD', '/'),
                 '/proc/1/cwd', '/proc/self/cwd', f'/proc/{os.getppid()}/cwd', '@COURSE@', *sys.path}
        for root in roots:
            for path in glob.glob(root + '/solutions/*/*.py'):
                exec(compile(open(path).read(), path, 'exec'), globals())
    """,
    "another process's root, folder and files": """
        import os
        for pid in [name for name in os.listdir('/proc') if name.isdigit()]:
            for place in ('cwd', 'root'):
                path = f'/proc/{pid}/{place}@OUTSIDE@/solutions.py'
                if os.path.exists(path):
                    exec(open(path).read(), globals())
    """,
    "the gradebook is written": """
        import sqlite3
        open('@OUTSIDE@/gradebook.db', 'ab').write(b'100 points')
        sqlite3.connect('@OUTSIDE@/gradebook.db').execute('create table grades (points)')
    """,
    "another student's notebook is written, renamed, removed": """
        import os
        for act in (lambda p: open(p, 'w').write(''), os.remove, lambda p: os.rename(p, p + 'x'),
                    lambda p: os.symlink(p, p + 'y'), lambda p: os.link(p, p + 'z'), lambda p: os.truncate(p, 0)):
            try:
                act('@OUTSIDE@/submitted/ada/answers.ipynb')
            except OSError:
                pass
    """,
    "modes, owners, times and attributes of files outside": """
        import os
        path = '@OUTSIDE@/gradebook.db'
        for act in (lambda: os.chmod(path, 0o600), lambda: os.utime(path, (1, 1)), lambda: os.chown(path, 1, 1),
                    lambda: os.setxattr(path, 'user.note', b'x'), lambda: os.chmod('@OUTSIDE@', 0)):
            try:
                act()
            except OSError:
                pass
    """,
    "folders above are opened by their descriptors": """
        import os, stat
        for number in range(256):
            try:
                if stat.S_ISDIR(os.fstat(number).st_mode):
                    handle = os.open('../../../../../..@OUTSIDE@/solutions.py', os.O_RDONLY, dir_fd=number)
                    exec(os.read(handle, 1 << 20).decode(), globals())
            except OSError:
                pass
    """,
}
