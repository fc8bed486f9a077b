"All is said in settings.ini; this hands it to setuptools and puts the pages into the wheel."
import re
from configparser import ConfigParser
from pathlib import Path
from setuptools import setup, find_packages
from setuptools.command.build_py import build_py

class with_pages(build_py):
    "The pages travel inside the package, as `robin_nb/nbs`: `robin_pages` copies them out again"
    def run(self):
        super().run()
        if self.editable_mode:
            return
        for page in Path('nbs').rglob('*'):
            hidden = any(part.startswith(('.', '_')) for part in page.parts)
            if hidden or page.suffix not in ('.ipynb', '.json', '.png', '.html', '.js'):
                continue
            target = Path(self.build_lib)/'robin_nb'/page
            self.mkpath(str(target.parent))
            self.copy_file(str(page), str(target))

# A package index sets no formulas. What stands there instead of one, by how the formula begins
IN_WORDS = {r'\begin{gathered}\min_m\ \mathbb{E}_{(x,y)}\ \max_{\|d\|\le\epsilon}':
            'min over m  of  E over (x,y)  of  max over ‖d‖ ≤ eps  of  loss(f(w⊙m, x+d), y)\n'
            'w in {-1,+1} drawn once,  m in {0,1}'}

def in_words(formula):
    tex = formula[1].strip()
    words = next((words for start,words in IN_WORDS.items() if tex.startswith(start)), tex)
    return f'```\n{words}\n```'

def for_index(readme, files):
    """`readme` as a package index can show it: formulas in words, what points into the repository
    pointing to `files`, which has a place for `{}` the word raw (pictures) or blob (the rest)"""
    parts = re.split(r'(^```.*?^```$)', readme, flags=re.M | re.S)    # every other part is code
    for j in range(0, len(parts), 2):
        text = re.sub(r'^\$\$(.+?)\$\$$', in_words, parts[j], flags=re.M | re.S)
        text = re.sub(r'(!\[[^]]*\]\()(?!http)', rf"\1{files.format('raw')}", text)
        parts[j] = re.sub(r'\]\((?!http|#)', f"]({files.format('blob')}", text)
    return ''.join(parts)

def lines(text):
    return text.strip().splitlines()

def described():
    "What settings.ini and README.md say, in the words of setuptools"
    config = ConfigParser(delimiters=['='])
    config.read('settings.ini', encoding='utf-8')
    cfg = config['DEFAULT']
    readme = Path('README.md').read_text(encoding='utf-8')
    return dict(
        name=cfg['lib_name'], version=cfg['version'], description=cfg['description'],
        long_description=for_index(readme, f"{cfg['git_url']}/{{}}/v{cfg['version']}/"),
        long_description_content_type='text/markdown',
        author=cfg['author'], author_email=cfg['author_email'],
        license_expression=cfg['license_expression'], license_files=['LICENSE'],
        keywords=cfg['keywords'].split(), classifiers=lines(cfg['classifiers']),
        project_urls=dict(l.split(' = ') for l in lines(cfg['project_urls'])),
        python_requires=f">={cfg['min_python']}", install_requires=cfg['requirements'].split(),
        extras_require={name.removesuffix('_requirements'): cfg[name].split()
                        for name in cfg if name.endswith('_requirements')},
        entry_points={'console_scripts': lines(cfg['console_scripts']),
                      'nbdev': [f"{cfg['lib_path']}={cfg['lib_path']}._modidx:d"]})

if __name__=='__main__':
    setup(
        **described(), setup_requires=['setuptools>=77'],             # knows licence expressions
        packages=find_packages(include=['robin_nb', 'robin_nb.*']),
        package_data={'robin_nb': ['assets/*', 'zoo/*', 'py.typed']},
        cmdclass={'build_py': with_pages}, zip_safe=False,
    )
