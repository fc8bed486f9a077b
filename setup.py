"Everything is said in settings.ini; this file hands it to setuptools and puts the pages into the wheel."
import re
from configparser import ConfigParser
from pathlib import Path
from setuptools import setup, find_packages
from setuptools.command.build_py import build_py

config = ConfigParser(delimiters=['='])
config.read('settings.ini', encoding='utf-8')
cfg = config['DEFAULT']
extras = {name.removesuffix('_requirements'): cfg[name].split() for name in cfg if name.endswith('_requirements')}

class with_pages(build_py):
    "The pages travel inside the package, as `robin_nb/nbs`: `robin_pages` copies them out again"
    def run(self):
        super().run()
        if self.editable_mode: return
        for page in Path('nbs').rglob('*'):
            if page.suffix not in ('.ipynb', '.json', '.png') or any(part.startswith(('.', '_')) for part in page.parts): continue
            target = Path(self.build_lib)/'robin_nb'/page
            self.mkpath(str(target.parent)); self.copy_file(str(page), str(target))

# links and pictures of README.md point into the repository
readme = Path('README.md').read_text(encoding='utf-8')
readme = re.sub(r'(!\[[^]]*\]\()(?!http)', rf"\1{cfg['git_url']}/raw/{cfg['branch']}/", readme)
readme = re.sub(r'\]\((?!http|#)', f"]({cfg['git_url']}/blob/{cfg['branch']}/", readme)

setup(
    name=cfg['lib_name'], version=cfg['version'], description=cfg['description'], keywords=cfg['keywords'],
    author=cfg['author'], author_email=cfg['author_email'], url=cfg['git_url'], license='Apache-2.0',
    long_description=readme, long_description_content_type='text/markdown',
    classifiers=['Development Status :: 3 - Alpha', 'Intended Audience :: Education', 'Intended Audience :: Science/Research',
                 'Programming Language :: Python :: 3', 'Topic :: Scientific/Engineering :: Artificial Intelligence'],
    packages=find_packages(include=['robin_nb', 'robin_nb.*']), package_data={'robin_nb': ['assets/*', 'zoo/*', 'py.typed']},
    python_requires=f">={cfg['min_python']}", install_requires=cfg['requirements'].split(), extras_require=extras,
    entry_points={'console_scripts': cfg['console_scripts'].split(), 'nbdev': [f"{cfg['lib_path']}={cfg['lib_path']}._modidx:d"]},
    cmdclass={'build_py': with_pages}, zip_safe=False,
)
