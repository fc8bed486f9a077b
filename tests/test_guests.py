"""Attacks of other people: Foolbox, torchattacks and ART attack our networks by themselves, and are
judged by us. Those that are not installed are skipped; page 13 tests the rules on a stand-in."""
import copy, json, sys
import numpy as np, pytest, torch, torch.nn.functional as F
import robin_nb as rb
from robin_nb.core import fork_rng
from robin_nb.guests import theirs
from robin_nb.pgd import verdicts
from robin_nb.reports import evaluation, verify

LINF,L2 = rb.Linf(.15),rb.L2(.8)
EXTRA = "guests are an extra: pip install 'robin_nb[guests]'"
ART = "ART is no extra of ours: pip install adversarial-robustness-toolbox"

def package(name):
    rb.data.import_torchvision()
    return pytest.importorskip(name, reason=ART if name=='art' else EXTRA)

# ---- a network, and pictures of it ---------------------------------------------------------------
@pytest.fixture(scope='module')
def net():
    "A sparse network of +-1, trained adversarially for some seconds"
    rb.set_seed(0)
    dls = rb.load_data('stripes', bs=50)
    dense = rb.small_cnn(c_in=1, n_out=2, widths=(8,16,16), normalize=(dls.mean, dls.std))
    net, quiet = rb.sparsify(dense, .3), [rb.train.Progress(False)]
    rb.fit(net, dls, 3, rb.at(rb.pgd(rb.Linf(.1), 3)), opt=rb.sgd(1.), callbacks=quiet)
    return net.eval()

@pytest.fixture(scope='module')
def data():
    x,y,_ = next(iter(rb.load_data('stripes', bs=200).test))
    return x,y

def errors(net, x, y): return int((~verdicts(net, [(x, y)])).sum())

def noise(net, x, y, ball):
    "How many of the images random points of the ball turn, the best of ten"
    draw = torch.Generator().manual_seed(0)
    right = verdicts(net, [(x, y)])
    for _ in range(10):
        right &= verdicts(net, [(x+ball.project(x, ball.sample(x, draw)), y)])
    return int((~right).sum())

# ---- the packages, each called as its own pages say ----------------------------------------------
def foolbox(make, ball):
    fb = package('foolbox')
    attack = make(fb.attacks)
    def by_hand(net, x, y):
        return attack(fb.PyTorchModel(net, bounds=(0,1), device='cpu'), x, y, epsilons=ball.eps)[1]
    return by_hand, lambda net: attack

def torchattacks(make, ball):
    ta = package('torchattacks')
    return lambda net, x, y: make(ta, net)(x, y), lambda net: make(ta, net)

def estimator(net):
    from art.estimators.classification import PyTorchClassifier
    return PyTorchClassifier(net, torch.nn.CrossEntropyLoss(), (1,8,8), 2, clip_values=(0,1),
                             device_type='cpu')

def art(make, ball):
    package('art')
    from art.attacks import evasion
    def by_hand(net, x, y):
        return torch.from_numpy(make(evasion, estimator(net)).generate(x.numpy(), y.numpy()))
    return by_hand, lambda net: make(evasion, estimator(net))

GUESTS = {
    'foolbox PGD': (foolbox, LINF, lambda m: m.LinfPGD(steps=20)),
    'foolbox FMN': (foolbox, L2, lambda m: m.L2FMNAttack(steps=40)),
    'foolbox DeepFool': (foolbox, LINF, lambda m: m.LinfDeepFoolAttack(candidates=2)),
    'torchattacks PGD': (torchattacks, LINF,
        lambda m, net: m.PGD(net, eps=.15, alpha=.02, steps=20)),
    'torchattacks APGD': (torchattacks, L2,
        lambda m, net: m.APGD(net, norm='L2', eps=.8, steps=20)),
    'torchattacks Square': (torchattacks, LINF,
        lambda m, net: m.Square(net, eps=.15, n_queries=300)),
    'art FGM': (art, L2, lambda m, e: m.FastGradientMethod(e, norm=2, eps=.8)),
    'art PGD': (art, LINF, lambda m, e: m.ProjectedGradientDescent(
        e, eps=.15, eps_step=.02, max_iter=20, num_random_init=1, verbose=False)),
    'art Auto-PGD': (art, LINF, lambda m, e: m.AutoProjectedGradientDescent(
        e, eps=.15, eps_step=.05, max_iter=20, nb_random_init=1, loss_type='cross_entropy',
        verbose=False))}

@pytest.fixture(params=GUESTS)
def guest(request):
    "An attack: called by hand, the maker of its object, and its ball"
    use,ball,make = GUESTS[request.param]
    return *use(make, ball), ball

# ---- out: they attack us -------------------------------------------------------------------------
def test_gradients_are_not_zero(net, data):
    x,y = data[0].clone().requires_grad_(),data[1]
    g, = torch.autograd.grad(F.cross_entropy(rb.bake(net)(x), y, reduction='sum'), x)
    assert (g.flatten(1).abs().amax(1) > 0).float().mean() > .95

def test_they_find_more_than_chance(guest, net, data):
    "On a baked network, as they come, without anything of ours"
    by_hand,_,ball = guest
    x,y = data
    baked = rb.bake(net).eval()
    torch.manual_seed(0)
    moved = by_hand(baked, x, y).detach()
    assert errors(baked, moved, y) > noise(baked, x, y, ball) >= errors(baked, x, y)

# ---- in: we judge them ---------------------------------------------------------------------------
def test_judged_as_by_hand(guest, net, data):
    by_hand,make,ball = guest
    x,y = data
    r = rb.judge(net, data, theirs(make(net), ball, seed=3))
    moved = []
    for part in range(0, 200, 100):                                   # batches of 100
        with fork_rng(3):
            moved.append(by_hand(net, x[part:part+100], y[part:part+100]).detach())
    by_hand = verdicts(net, [(torch.cat(moved), y)])
    assert (r.right != by_hand).sum() <= 2                            # x+(x'-x) is nearly x'
    assert r.accuracy < rb.judge(net, data).accuracy
    assert torch.equal(r.right, rb.judge(net, data, theirs(make(net), ball, seed=3)).right)

def test_its_protocol(guest, net, data):
    "Package, version, class, parameters, ball and seed; as text and as data"
    _,make,ball = guest
    attack = make(net)
    r = rb.judge(net, data, theirs(attack, ball), 10)
    root = type(attack).__module__.split('.')[0]
    assert r.protocol.startswith(f'{root} ') and r.protocol.endswith(f'{ball}, seed 0')
    assert r.settings['attack']==f'{root}.{type(attack).__name__}'
    assert f"{r.settings['version']} {type(attack).__name__}(" in r.protocol
    for name,v in r.settings['given'].items():
        assert f'{name}={v!r}'.replace("'inf'", 'inf') in r.protocol

def test_no_number_is_drawn(guest, net, data):
    "Neither of PyTorch's generator, nor of NumPy's"
    _,make,ball = guest
    attack = theirs(make(net), ball)
    before = torch.get_rng_state(),np.random.get_state()[1]
    attack(net, data[0][:10], data[1][:10])
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1]==before[1]).all()

# ---- their results as a report -------------------------------------------------------------------
def reported(net, data, attack):
    results = [rb.judge(net, data), rb.judge(net, data, attack)]
    return json.loads(json.dumps(evaluation(net, data, results), allow_nan=False))

def said(table): return [row['verdict'] for row in table]

def test_a_report_alone_is_enough(guest, net, data):
    _,make,ball = guest
    report = reported(net, data, theirs(make(net), ball))
    assert said(verify(report, net, data, share=1.))==['good']*6

def test_forged_verdicts_are_found(guest, net, data):
    _,make,ball = guest
    report = reported(net, data, theirs(make(net), ball))
    forge(report['results'][1], .2)
    assert said(verify(report, net, data, share=1.))==['good']*5+['WRONG']

def forge(r, share):
    "Of the verdicts in `r`, turn a share"
    n, draw = len(r['right']), torch.Generator().manual_seed(0)
    turned = set(torch.randperm(n, generator=draw)[:round(share*n)].tolist())
    r['right'] = ''.join('10'[int(c)] if j in turned else c for j,c in enumerate(r['right']))
    r['accuracy'] = r['right'].count('1')/n

def test_another_parameter_is_found(net, data):
    by,make = foolbox(lambda m: m.LinfPGD(steps=1, random_start=False), LINF)
    report = reported(net, data, theirs(make(net), LINF))
    report['results'][1]['given']['steps'] = 20
    assert said(verify(report, net, data, share=1.))==['good']*5+['WRONG']

def test_a_report_calls_nothing_but_attacks(net, data):
    "It may come from a stranger"
    _,make = torchattacks(lambda m, net: m.PGD(net, eps=.15), LINF)
    report = reported(net, data, theirs(make(net), LINF))
    names = ('torchattacks.attack', 'torchattacks.nothing', 'torchattacks.Attack', 'os.system',
             'torchattacks.attacks.pgd.PGD', 'torchattacks.__name__')
    given = (dict(eps=[.15]), dict(eps={}), 'eps', dict(model='x'), dict(summary_writer='/tmp/x'),
             dict(tensorboard='/tmp/x'), dict(nothing=1), None)
    odd = [dict(attack=name) for name in names] + [dict(given=g) for g in given]
    odd.append(dict(version='0.0'))
    for change in odd:
        forged = copy.deepcopy(report)
        forged['results'][1] |= change
        with pytest.raises(ValueError) as e:
            verify(forged, net, data)
        assert '\n' not in str(e.value)

def test_what_cannot_be_made_again_is_handed_in(net, data):
    "Here an attack that holds another; never 'good' without having judged"
    _,make = foolbox(lambda m: m.LinfPGD(steps=5).repeat(2), LINF)
    attack = theirs(make(net), LINF)
    report = reported(net, data, attack)
    with pytest.raises(ValueError, match=r'attacks=\[') as e:
        verify(report, net, data)
    assert '\n' not in str(e.value)
    assert said(verify(report, net, data, attacks=[attack]))==['good']*6
    forge(report['results'][1], .2)
    assert said(verify(report, net, data, share=1., attacks=[attack]))[-1]=='WRONG'

def test_what_is_handed_in_is_all_that_the_report_says(net, data):
    "A protocol that is true does not cover settings that are not"
    _,make = foolbox(lambda m: m.LinfPGD(steps=5), LINF)
    attack = theirs(make(net), LINF)
    report = reported(net, data, attack)
    assert said(verify(report, net, data, share=1., attacks=[attack]))==['good']*6
    report['results'][1]['given']['steps'] = 50
    assert said(verify(report, net, data, share=1., attacks=[attack]))==['good']*5+['WRONG']

def test_settings_made_afterwards_are_not_lost(net, data):
    "A targeted attack is not the one that its parameters make"
    _,make = torchattacks(lambda m, net: m.PGD(net, eps=.15, steps=3), LINF)
    attack = make(net)
    attack.set_mode_targeted_by_function(lambda x, y: 1-y)
    report = reported(net, data, theirs(attack, LINF))
    with pytest.raises(ValueError, match=r'attacks=\['):
        verify(report, net, data)
    assert said(verify(report, net, data, attacks=[theirs(attack, LINF)]))==['good']*6

def test_from_a_terminal(net, data, tmp_path):
    from robin_nb.cli import robin_evaluate
    package('foolbox')
    fb = sys.modules['foolbox']
    dls = rb.load_data('stripes')
    args = dict(c_in=1, n_out=2, widths=[8,16,16], normalize=[list(dls.mean), list(dls.std)])
    config = dict(arch='small_cnn', args=args, sparse=dict(keep=.3), data='stripes',
                  source='stripes', seed=0, classes=list(dls.classes), shape=[1,8,8])
    rb.save_model(net, tmp_path/'m.safetensors', config)
    attack = theirs(fb.attacks.LinfPGD(steps=5), LINF)
    report = evaluation(net, dls.test, [rb.judge(net, dls.test, attack)],
                        file=str(tmp_path/'m.safetensors'), data='stripes')
    rb.core.write_json(report, tmp_path/'report.json')
    robin_evaluate(verify=str(tmp_path/'report.json'))
    forge(report['results'][0], .2)
    rb.core.write_json(report, tmp_path/'report.json')
    with pytest.raises(SystemExit):
        robin_evaluate(verify=str(tmp_path/'report.json'))

# ---- as they are, and what is refused ------------------------------------------------------------
@pytest.mark.parametrize('use,make', [
    (torchattacks, lambda m, net: m.APGD(net, norm='L2', eps=.8, steps=5)),
    (art, lambda m, e: m.FastGradientMethod(e, norm=2, eps=.8))])
def test_as_it_is_where_it_says_its_ball(use, make, net, data):
    attack = use(make, L2)[1](net)
    r = rb.judge(net, data, attack)
    assert torch.equal(r.right, rb.judge(net, data, theirs(attack, L2)).right)
    assert 'L2 eps 0.8' in r.protocol

@pytest.mark.parametrize('use,make,word', [
    (foolbox, lambda m: m.LinfPGD(), r'theirs\(attack, Linf\(eps'),
    (torchattacks, lambda m, net: m.PGD(net, eps=.15), r'theirs\(attack, Linf\(eps=0.15')])
def test_as_it_is_where_it_does_not(use, make, word, net, data):
    with pytest.raises(ValueError, match=word):
        rb.judge(net, data, use(make, LINF)[1](net))

@pytest.mark.parametrize('use,make,ball,word', [
    (foolbox, lambda m: m.L2PGD(), LINF, 'l2'),
    (foolbox, lambda m: m.L0FMNAttack(), LINF, 'l0'),
    (torchattacks, lambda m, net: m.PGD(net, eps=8/255), LINF, 'eps'),
    (torchattacks, lambda m, net: m.APGD(net, norm='L2', eps=.15), LINF, 'l2'),
    (torchattacks, lambda m, net: m.AutoAttack(net, eps=.15), LINF, 'seed'),
    (torchattacks, lambda m, net: m.PGD(rb.bake(net), eps=.15), LINF, 'another model'),
    (torchattacks, lambda m, net: m.GN(net, std=.3), LINF, 'leaves'),
    (torchattacks, lambda m, net: m.CW(net, c=100, steps=50, lr=.1), rb.L2(.01), 'leaves'),
    (art, lambda m, e: m.ProjectedGradientDescent(e, eps=.3), LINF, 'eps'),
    (art, lambda m, e: m.ProjectedGradientDescent(e, norm=2, eps=.15), LINF, 'l2'),
    (art, lambda m, e: m.FastGradientMethod(estimator(rb.bake(e.model)), eps=.15), LINF,
     'another model')])
def test_what_does_not_fit_is_refused(use, make, ball, word, net, data):
    "In one line, which names the attack"
    attack = use(make, ball)[1](net)
    with pytest.raises(ValueError, match=word) as e:
        rb.judge(net, data, theirs(attack, ball), 20)
    assert type(attack).__name__ in str(e.value) and '\n' not in str(e.value)

def test_in_training_its_noise_is_drawn_anew(net, data):
    "`at` hands each batch a generator"
    _,make = torchattacks(lambda m, net: m.FFGSM(net, eps=.15, alpha=0.), LINF)
    attack = theirs(make(net), LINF)
    x,y = data
    draws = [attack(net, x, y, generator=torch.Generator().manual_seed(s)) for s in (0,0,1)]
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])

# ---- what somebody has made by hand --------------------------------------------------------------
def test_pictures_from_elsewhere(net, data):
    "A function that gives them back is an attack; whoever has it can check a report of it"
    x,y = data
    by_hand = x+rb.pgd(LINF, 20)(net, x, y)
    def from_elsewhere(model, x, y): return by_hand[:len(x)]-x
    r = rb.judge(net, data, from_elsewhere, bs=200)
    assert torch.equal(r.right, verdicts(net, [(by_hand, y)]))
    report = json.loads(json.dumps(evaluation(net, data, [r])))
    with pytest.raises(ValueError, match=r'attacks=\['):
        verify(report, net, data)
    assert said(verify(report, net, data, attacks=[from_elsewhere]))==['good']*4
