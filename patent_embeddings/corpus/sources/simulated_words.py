"""Words of the simulated landscapes: fields of application, mechanisms, and what both are said with.

`<valve>` in a phrase of a mechanism stands for a concept, which every field calls by a word of its own.
The first phrase of a set is the neutral one, understood in every field.
"""

from __future__ import annotations

from dataclasses import dataclass


def _phrases(text: str) -> tuple[str, ...]:
    return tuple(" ".join(phrase.split()) for phrase in text.split(";"))


@dataclass(frozen=True)
class Field:
    """A field of application: what is built there, from what, where and against which troubles."""

    systems: tuple[str, ...]
    prefixes: tuple[str, ...]
    environments: tuple[str, ...]
    troubles: tuple[str, ...]
    materials: tuple[str, ...]
    users: tuple[str, ...]
    components: dict[str, tuple[str, ...]]  # IPC subclass -> parts; the last subclass is of a second class


@dataclass(frozen=True)
class Mechanism:
    """A principle of solution: its device, what the device does, and what that is good for."""

    cores: tuple[str, ...]
    acts: tuple[str, ...]
    aims: tuple[str, ...]


@dataclass(frozen=True)
class Group:
    """Mechanisms of one kind; the facets are the details that tell one idea from another."""

    hints: tuple[str, ...]
    purposes: tuple[str, ...]
    scheme: str  # CPC subclass of tags that go with the group
    facets: tuple[tuple[tuple[str, ...], ...], ...]  # facet -> option -> paraphrases
    mechanisms: tuple[Mechanism, ...]


def _field(
    systems: str, prefixes: str, environments: str, troubles: str, materials: str, users: str, **parts: str
) -> Field:
    return Field(
        _phrases(systems), _phrases(prefixes), _phrases(environments), _phrases(troubles), _phrases(materials),
        _phrases(users), {code: _phrases(names) for code, names in parts.items()},
    )  # fmt: skip


def _group(
    hints: str, purposes: str, scheme: str, facets: list[list[str]], mechanisms: list[tuple[str, str, str]]
) -> Group:
    return Group(
        _phrases(hints),
        _phrases(purposes),
        scheme,
        tuple(tuple(_phrases(option) for option in facet) for facet in facets),
        tuple(Mechanism(_phrases(cores), _phrases(acts), _phrases(aims)) for cores, acts, aims in mechanisms),
    )


CONCEPTS: dict[str, tuple[str, ...]] = {
    name: _phrases(words)
    for name, words in {
        "part": "member; element; piece; body; link; limb",
        "housing": "housing; casing; enclosure; shell; jacket; box",
        "valve": "valve; gate; shutter; flap; stopcock; damper blade",
        "sensor": "sensor; probe; detector; pickup; gauge; feeler",
        "controller": "controller; control unit; logic module; supervisory circuit; governor; processor board",
        "spring": "spring; biasing strip; resilient tongue; elastic band; return coil; tensioner",
        "channel": "channel; duct; passage; conduit; bore; gallery",
        "chamber": "chamber; cavity; compartment; plenum; pocket; vessel",
        "fluid": "fluid; medium; liquid; working stream; carrier; process stream",
        "surface": "surface; face; skin; outer side; boundary; wall",
        "layer": "layer; film; coating; sheet; lining; overlay",
        "motor": "motor; drive; actuator; servo; prime mover; positioner",
        "signal": "signal; reading; indication; measured value; feedback value; output trace",
        "threshold": "threshold; limit value; set point; preset level; trip level; reference mark",
        "load": "load; force; demand; stress; duty; burden",
        "heat": "heat; thermal energy; warmth; thermal load; caloric energy; dissipated power",
        "flow": "flow; stream; throughput; discharge; current; delivery",
        "pressure": "pressure; head; overpressure; compression; thrust; gauge level",
        "supply": "supply; feed; source; mains; input; inlet side",
        "gap": "gap; clearance; slit; interspace; slot; recess",
        "ring": "ring; collar; annulus; hoop; sleeve; ferrule",
        "plate": "plate; disc; panel; leaf; blade; lamella",
        "pin": "pin; bolt; peg; dowel; stud; plug",
        "memory": "memory; store; register; table; record; log",
        "fault": "fault; failure; malfunction; defect; breakdown; outage",
        "interval": "interval; period; time window; dwell; cycle; span",
        "particle": "particle; grain; granule; bead; pellet; flake",
        "mass": "mass; counterweight; ballast; bob; slug; inert body",
        "opens": "opens; releases; unblocks; clears; frees; uncovers",
        "closes": "closes; shuts; seals; blocks; stops off; covers",
        "detects": "detects; senses; registers; picks up; ascertains; notices",
        "limits": "limits; restricts; caps; bounds; curbs; throttles",
        "reduces": "reduces; lowers; diminishes; cuts; decreases; attenuates",
        "raises": "raises; increases; boosts; steps up; elevates; augments",
        "moves": "moves; shifts; displaces; advances; drives; urges",
        "holds": "holds; retains; keeps; secures; captures; detains",
        "transfers": "transfers; conveys; passes; delivers; carries; hands over",
        "stores": "stores; accumulates; banks; buffers; saves up; hoards",
        "compares": "compares; checks; matches; weighs; contrasts; correlates",
        "connects": "connects; couples; joins; links; ties; bridges",
        "separates": "separates; splits; parts; isolates; divides; segregates",
        "automatically": "automatically; unaided; by itself; without intervention; of its own accord; autonomously",
        "gradually": "gradually; stepwise; progressively; little by little; in increments; by degrees",
        "quickly": "quickly; rapidly; promptly; at once; instantly; without delay",
        "uniform": "uniform; even; constant; steady; level; homogeneous",
        "alternately": "alternately; in turn; by rotation; in succession; one after another; cyclically",
        "adjacent": "adjacent; neighbouring; next; contiguous; adjoining; nearby",
        "flexible": "flexible; compliant; pliable; yielding; supple; bendable",
        "excess": "excess; surplus; superfluous; residual; spare; unwanted",
    }.items()
}

FIELDS: tuple[Field, ...] = (
    _field(
        "motor vehicle; passenger car; road vehicle; commercial truck; automobile",
        "chassis; cabin; driveline; axle; bonnet",
        "in stop-and-go traffic; on unpaved roads; during cold starts; at motorway speed; under hard cornering",
        "wheel slip; cabin noise; brake fade; engine bay overheating; driver fatigue",
        "die-cast aluminium; high-strength steel; glass-filled polyamide; butyl rubber",
        "driver; motorist; vehicle occupant",
        B60K="radiator grille; fuel tank; accelerator pedal; instrument cluster; transmission tunnel",
        B60R="bumper; seat belt; airbag module; roof rack; rear-view mirror",
        B60T="brake caliper; master cylinder; brake booster; parking brake lever; wheel brake",
        B60W="traction manager; hybrid powertrain; cruise regulator; gear selector; lane keeping aid",
        B62D="steering column; underbody; subframe; steering rack; fender",
    ),
    _field(
        "surgical instrument; medical device; patient treatment apparatus; implantable device; bedside appliance",
        "catheter; bedside; intraluminal; handpiece; implant",
        "inside a blood vessel; during keyhole surgery; at the bedside; in long-term implantation; in an intensive care ward",
        "tissue trauma; bleeding; infection of the wound; patient discomfort; misplacement of the tip",
        "nitinol; medical silicone; titanium alloy; polyether ether ketone",
        "surgeon; nurse; clinician",
        A61B="endoscope tip; biopsy forceps; trocar; electrode needle; stapler jaw",
        A61F="stent; hip socket; knee prosthesis; ear plug; wound dressing",
        A61M="infusion pump; syringe barrel; breathing mask; drip line; inhaler mouthpiece",
        A61N="pacemaker can; stimulation lead; defibrillator pad; light therapy lamp; nerve cuff",
        G16H="patient monitor; dosing schedule server; ward terminal; vital sign archive; prescription interface",
    ),
    _field(
        "agricultural machine; harvester; field implement; crop treatment vehicle; greenhouse installation",
        "header; furrow; hopper; boom; tractor-drawn",
        "in wet clay soil; on sloping fields; in a dusty harvest; between crop rows; under glasshouse humidity",
        "crop loss; soil compaction; clogging with straw; uneven seed spacing; drift of spray",
        "boron steel; galvanised sheet; ultraviolet-stable polyethylene; cast iron",
        "farmer; grower; machine operator",
        A01B="plough share; cultivator tine; disc harrow; toolbar; depth wheel",
        A01C="seed drill; fertiliser spreader; planting shoe; slurry tank; metering roller",
        A01D="cutter bar; threshing drum; mower deck; baler; straw walker",
        A01G="plant tray; irrigation dripper; tree shaker; growing lamp; mushroom bed",
        B05B="spray nozzle; atomiser head; hose reel; mixing lance; sprinkler arm",
    ),
    _field(
        "household appliance; kitchen machine; domestic cooking apparatus; cleaning appliance; coffee maker",
        "countertop; hob; lid; pantry; tabletop",
        "on a crowded worktop; in a steam-laden kitchen; in daily family use; during overnight standby; in a hotel pantry",
        "scale deposits; burnt food; spilled liquid; lingering odour; noisy operation",
        "borosilicate glass; enamelled steel; food-grade silicone; polypropylene",
        "cook; householder; barista",
        A47J="brewing head; frying basket; pressure cooker lid; milk frother; blender jug",
        A47L="dust bag; mop pad; suction nozzle; dishwasher rack; scrubbing brush",
        A47B="drawer runner; cabinet shelf; folding table; extendable worktop; wall bracket",
        A47G="serving tray; drinking vessel; cutlery holder; mirror frame; letter box",
        H05B="induction coil; heating plate; grill lamp; microwave cavity; dimmer stage",
    ),
    _field(
        "packaging machine; conveying installation; filling line; container handling system; carton former",
        "infeed; pallet; outfeed; carton; conveyor",
        "at high line speed; in a cold store; with mixed parcel sizes; on a continuous web; in a sterile filling hall",
        "jammed goods; torn wrapping; underfilled packs; product damage; label skew",
        "kraft board; stretch foil; stainless sheet; polyurethane belting",
        "line operator; packer; warehouse worker",
        B65B="sealing jaw; filling spout; film bag; blister cavity; wrapping arm",
        B65D="bottle closure; pouring spout; folding carton; aerosol can; shipping crate",
        B65G="belt conveyor; roller track; gripper head; sorting chute; storage shuttle",
        B65H="paper web; sheet stack; winding reel; splice table; yarn bobbin",
        B31B="creasing wheel; blank magazine; gluing station; folding mandrel; bag bottomer",
    ),
    _field(
        "marine vessel; ship; floating platform; underwater vehicle; workboat",
        "hull; deck; bilge; keel; mooring",
        "in heavy seas; at anchor; in brackish harbour water; at great depth; in arctic ice",
        "hull fouling; rolling of the ship; galvanic corrosion; cavitation noise; flooding of a hold",
        "marine bronze; glass-reinforced laminate; duplex stainless steel; syntactic foam",
        "crew member; helmsman; diver",
        B63B="mooring buoy; ballast tank; hatch cover; anchor chain; bow section",
        B63H="propeller shaft; rudder stock; outboard engine; azimuth thruster; sail mast",
        B63J="bilge pump; galley ventilator; fresh water maker; exhaust stack; shore cable",
        B63G="periscope mast; torpedo tube; pressure hull; docking skid; towed array",
        F17C="cargo gas tank; boil-off line; cryogenic manifold; bunkering hose; vent riser",
    ),
    _field(
        "bioreactor; fermentation plant; cell culture apparatus; brewing installation; enzyme processing unit",
        "broth; tank; culture; inoculum; mash",
        "under sterile conditions; in a pilot fermenter; at high cell density; in single-use bags; through a multi-day batch",
        "contamination of the culture; foam formation; oxygen starvation; shear damage to cells; batch variation",
        "borosilicate tubing; electropolished steel; polysulfone; agarose",
        "process technician; brewer; laboratory assistant",
        C12M="stirred tank; sparger; culture flask; perfusion loop; harvest port",
        C12N="cell line; enzyme carrier; transfection cuvette; spore suspension; gel matrix",
        C12Q="assay cartridge; reagent well; amplification tube; hybridisation strip; sample swab",
        C12G="must press; wine cask; mash kettle; spirit still; yeast trap",
        C02F="aeration basin; sludge thickener; clarifier; dosing station; reverse osmosis rack",
    ),
    _field(
        "laundry machine; textile finishing line; fabric treatment apparatus; washing machine; garment dryer",
        "drum; tub; selvedge; lint; ironing",
        "during the spin cycle; with delicate wool; in a commercial laundry; at low water level; on wet fabric",
        "creasing of fabric; lint build-up; dye bleeding; drum imbalance; shrinkage",
        "perforated stainless steel; ethylene-propylene rubber; felt; polyester mesh",
        "launderer; dyer; tailor",
        D06F="washing drum; detergent drawer; lint filter; ironing soleplate; tumble dryer door",
        D06B="dye bath; padding mangle; squeeze roller; scouring trough; steam box",
        D06C="stenter frame; calender roll; napping cylinder; fabric spreader; singeing burner",
        D06M="finishing bath; fibre tow; impregnation trough; curing oven; softener doser",
        D05B="needle bar; bobbin case; presser foot; thread guide; embroidery hoop",
    ),
    _field(
        "drilling rig; downhole tool; mining machine; well completion; tunnelling machine",
        "downhole; wellbore; borehole; drill-string; shaft",
        "in a deviated well; at high formation temperature; in abrasive rock; below the mud line; in a gassy coal seam",
        "stuck pipe; bit wear; loss of drilling mud; roof collapse; kick of formation gas",
        "tungsten carbide; nitrile elastomer; chrome-molybdenum steel; polycrystalline diamond",
        "driller; miner; rig hand",
        E21B="drill bit; packer; casing string; mud pump; perforating gun",
        E21C="shearer drum; pick holder; coal plough; rock breaker; haulage chain",
        E21D="roof bolt; shield support; tunnel segment; shotcrete arm; face prop",
        E21F="mine fan; refuge station; dust curtain; backfill pipe; methane drain",
        E02F="excavator bucket; dredge pipe; slewing platform; dipper arm; ripper tooth",
    ),
    _field(
        "wind turbine; wave energy converter; hydro turbine; renewable power plant; tidal generator set",
        "nacelle; tower; rotor; penstock; blade-root",
        "in gusting wind; at an offshore site; during grid loss; at partial head; in icing conditions",
        "blade erosion; tower oscillation; gearbox wear; torque ripple; bird strike",
        "carbon fibre laminate; spheroidal cast iron; epoxy resin; prestressed concrete",
        "service technician; plant operator; grid manager",
        F03D="rotor blade; pitch bearing; nacelle frame; yaw brake; hub cover",
        F03B="guide vane; runner; draft tube; float arm; water wheel",
        F03G="solar boiler; salt pond; spring drive; geothermal riser; gravity store",
        F03H="plasma thruster; ion grid; propellant line; neutraliser; discharge tube",
        E04H="tower segment; foundation ring; mast bracing; anchor cage; lattice mast",
    ),
    _field(
        "measuring instrument; analytical device; inspection apparatus; metering arrangement; test bench",
        "bench; sample; gauge; optics; reference",
        "in a vibrating plant; at trace concentrations; over long cable runs; with opaque samples; in field calibration",
        "baseline drift; stray light; sample carry-over; poor repeatability; operator bias",
        "fused silica; invar; anodised aluminium; sapphire",
        "analyst; inspector; metrologist",
        G01N="sample cuvette; gas cell; titration burette; chromatography column; specimen stage",
        G01B="touch stylus; interferometer arm; gauge block; caliper rail; scanning head",
        G01F="flow tube; level float; dosing spoon; turbine meter; orifice run",
        G01K="thermowell; thermocouple junction; calorimeter cup; resistance bulb; pyrometer lens",
        G02B="objective lens; beam splitter; fibre bundle; mirror mount; aperture stop",
    ),
    _field(
        "battery pack; power distribution unit; electrical switching device; energy storage module; semiconductor assembly",
        "busbar; cell; terminal; module; substrate",
        "during fast charging; in a densely packed rack; at high switching frequency; after deep discharge; in an electric aircraft",
        "cell ageing; contact arcing; thermal runaway; voltage sag; moisture ingress",
        "copper foil; alumina ceramic; silver-tin alloy; polyimide",
        "electrician; installer; battery owner",
        H01M="pouch cell; electrode stack; separator; electrolyte port; fuel cell plate",
        H01H="contact bridge; arc chute; push button; relay armature; circuit breaker pole",
        H01R="plug connector; crimp barrel; socket contact; cable lug; terminal block",
        H01L="power transistor; wafer carrier; bond wire; lead frame; photovoltaic wafer",
        H02J="charging station; inverter string; backup bank; feeder switch; meter cabinet",
    ),
)

# What any field may say: a text is not made of its field's own words alone.
PLAIN = Field(
    _phrases("apparatus; machine; installation; device; system; unit of equipment; plant; piece of apparatus"),
    _phrases("side; front; rear; base; auxiliary"),
    _phrases(
        "under changing conditions; in continuous service; at partial duty; after a long standstill; in confined space; "
        "at short notice; during maintenance; in rough surroundings"
    ),
    _phrases(
        "premature wear; unwanted noise; loss of efficiency; frequent standstill; faulty operation; "
        "difficult maintenance; uneven operation; damage by dirt"
    ),
    _phrases("steel; aluminium; rubber; a thermoplastic; ceramic; a fibre composite; brass; sheet metal"),
    _phrases("operator; user; attendant; person skilled in the art"),
    {
        "": _phrases(
            "bracket; carrier frame; cover; base plate; support arm; intake; outlet; mounting rail; lever; bearing block; "
            "cross member; side wall; insert; guide rod; holder; end cap; partition; flange; shaft; connecting rod; "
            "adapter; socket; shell half; tube section"
        )
    },
)

GROUPS: dict[str, Group] = {
    "heat": _group(
        "thermal arrangement; temperature management unit; heat handling assembly; cooling provision",
        "keeping temperatures within bounds; improving the thermal behaviour; coping with changing heat release",
        "Y02E",
        [
            [
                "is engaged only above a <threshold> of temperature; starts work once a set warmth is passed; stays idle until the hot side reaches the <threshold>",
                "works in both directions of <heat>; is reversible between cooling and heating; swaps its warm and cold sides on request",
                "is kept at a partial vacuum; works below ambient <pressure>; is evacuated before it is sealed",
                "is regenerated overnight; recovers its capacity while the plant rests; is reset by cool air in idle hours",
            ],
            [
                "is filled with a salt hydrate; contains a hydrated salt; holds a charge of crystalline salt",
                "is charged with a paraffin; contains a waxy hydrocarbon; is loaded with long-chain alkane",
                "uses ammonia as its <fluid>; is operated with an ammoniacal <fluid>; holds ammonia under its own vapour",
                "is packed with graphite foam; has a skeleton of expanded carbon; contains a sponge of graphite",
            ],
            [
                "touches the source through a <flexible> pad; rests on the hot side by a soft <layer>; is pressed on with a yielding cushion",
                "is cast around the source; embraces the hot part on all sides; is moulded over the part to be cooled",
                "has staggered fins on its <surface>; carries offset ribs; is provided with rows of interrupted vanes",
                "is divided into cells that work in parallel; consists of several small units side by side; is segmented into independent pockets",
            ],
        ],
        [
            (
                "latent heat store; phase-change buffer; melting reservoir; fusible accumulator; wax bank; solid-liquid ballast",
                "<stores> <heat> by melting and gives it back on freezing; soaks up peaks of <heat> through a change of phase; liquefies when hot and solidifies later; takes up <excess> <heat> at an unchanged temperature",
                "flattening peaks of temperature; bridging short bursts of <heat>; delaying the rise of temperature",
            ),
            (
                "heat pipe; capillary evaporator loop; wicked tube; two-phase thermal siphon; vapour conductor; self-pumping spreader",
                "<transfers> <heat> as vapour and returns condensate through a wick; boils at one end and condenses at the other; circulates its <fluid> by capillary suction; carries <heat> away by evaporation and condensation",
                "spreading <heat> without a pump; levelling hot spots; moving <heat> over a distance",
            ),
            (
                "counterflow recuperator; cross-stream exchanger; countercurrent economiser; waste heat matrix; regenerative core; two-pass preheater",
                "warms the incoming <flow> with the outgoing one; recovers <heat> from the spent stream; exchanges <heat> between opposed streams; preheats the <supply> with exhaust",
                "recovering waste <heat>; saving fuel for heating; returning spent warmth to the process",
            ),
            (
                "thermoelectric pump; Peltier stack; semiconductor cooler; solid-state chiller; junction array; electric heat lifter",
                "pumps <heat> when current is driven through it; lifts <heat> by an electric current; cools one <surface> while heating the other; shifts <heat> against the gradient without moving parts",
                "cooling without moving parts; fine adjustment of a temperature; silent cooling of a spot",
            ),
            (
                "evaporative cooler; wet pad; misting stage; perspiring wall; trickle screen; humid air washer",
                "cools air by letting water evaporate; draws <heat> from a wetted <surface>; sprays a mist that evaporates; lowers the temperature by moistening",
                "cooling with little power; using humidity for cooling; lowering the temperature of intake air",
            ),
            (
                "bimetal regulator; thermostatic strip; wax motor; expansion capsule; snap disc; temperature-driven lever",
                "bends with temperature and thereby <opens> a path; <moves> a <valve> by thermal expansion; snaps over when warmed; expands on heating and <closes> the bypass",
                "regulating without electricity; reacting to warmth directly; protecting against overheating",
            ),
        ],
    ),
    "flow": _group(
        "fluid handling arrangement; flow guiding unit; hydraulic assembly; stream conditioning provision",
        "improving the conduct of streams; handling a <fluid> reliably; conditioning what flows through",
        "Y02A",
        [
            [
                "is entered tangentially; receives the <fluid> along its rim; is fed sideways at the periphery",
                "is fed from below against gravity; is charged upward through its floor; receives the <fluid> at its lowest point",
                "has two inlets of unequal size; is supplied by a wide and a narrow <channel>; takes in a main and a minor stream",
                "is supplied through an annular slot; is fed by a circular <gap>; takes its <flow> from a ring-shaped mouth",
            ],
            [
                "is rinsed by reversing the <flow> for a short time; is backwashed at every stop; is flushed against the working direction",
                "is cleaned by a rotating scraper; carries a wiper that turns slowly; is swept by a revolving blade",
                "is shaken by ultrasound; is freed of deposits by high-frequency vibration; oscillates above the audible range for cleaning",
                "is exchanged as a cassette; slides out as a cartridge; is replaced without tools as one insert",
            ],
            [
                "discharges into a settling sump; empties into a calm basin; drains to a quiet pit",
                "is followed by a narrowing throat; leads into a contracted neck; ends in a constriction",
                "returns a part of the stream to its inlet; recirculates a fraction; leads some of the output back",
                "vents gas through a float; lets trapped air escape by a buoyant plug; bleeds bubbles at a floating stopper",
            ],
        ],
        [
            (
                "vortex separator; cyclone; swirl chamber; centrifugal trap; spiral settler; whirl tube",
                "<separates> heavy matter by rotation of the stream; spins the <fluid> so that each <particle> goes outward; throws dirt to its wall by whirling; makes the stream rotate and drops solids",
                "removing solids from a stream; keeping grit out; cleaning the <fluid> without a filter",
            ),
            (
                "membrane filter; porous hollow fibre; permeable screen; microsieve; ultrafine barrier; pore sheet",
                "lets small molecules through and <holds> the rest; passes the <fluid> through fine pores; sieves the stream at a scale of micrometres; retains matter larger than its pores",
                "obtaining a pure filtrate; holding back germs; sieving at a fine scale",
            ),
            (
                "pressure-balanced piston; equalised spool; compensated plunger; relieved slide; floating plunger; load-free poppet",
                "is acted on by equal <pressure> from both ends; cancels thrust by a counter area; moves easily since both faces see the same <pressure>; stays in equilibrium whatever the <supply> <pressure>",
                "operating with small force; being independent of inlet <pressure>; moving a closure easily",
            ),
            (
                "pulsed jet; intermittent nozzle; burst injector; chopped stream outlet; shot sprayer; puffing lance",
                "emits the <fluid> in short bursts; interrupts the jet at a set frequency; delivers separate shots; releases pulses of <fluid> with pauses between",
                "saving <fluid>; loosening deposits; metering small amounts",
            ),
            (
                "siphon; self-priming leg; inverted U-tube; gravity lifter; suction bend; automatic drain bow",
                "empties the <chamber> by its own suction; draws the <fluid> over a crest; runs <automatically> once the level covers its bend; starts to drain at a certain level",
                "emptying without a pump; draining <automatically>; holding a level",
            ),
            (
                "ejector; jet pump; entrainment nozzle; Venturi mixer; induction throat; momentum booster",
                "entrains a second stream by a fast one; sucks in air through a constricted throat; uses the speed of a jet to draw <fluid>; mixes two streams by momentum",
                "drawing gas into a <fluid>; producing suction without moving parts; mixing streams",
            ),
        ],
    ),
    "motion": _group(
        "kinematic arrangement; mechanical assembly; positioning unit; movable linkage",
        "making movement simpler; guiding a movable <part>; obtaining a reliable position",
        "Y10T",
        [
            [
                "is released by a pull cable; is undone with a wire; is unlatched through a tensioned cord",
                "is released by pushing it once more; opens on a second press; is undone by repeated pushing",
                "is unlocked with a coded <pin>; needs a keyed <pin> for release; opens only with a matching <pin>",
                "is freed when power is lost; lets go at a lack of current; is released by de-energising a coil",
            ],
            [
                "carries a hardened roller; runs on a needle roller; has a tempered steel wheel at its tip",
                "slides on dry polymer; is guided in an oil-free bushing; moves in a plastic bearing",
                "is toothed along an arc; has a curved rack; carries gear teeth on a sector",
                "is split into two halves under <spring> tension; consists of two parts braced against each other; is made in two pieces pushed apart by a <spring>",
            ],
            [
                "returns by a torsion <spring>; is brought back by a twisted wire; is rewound by a torsion bar",
                "stops against a rubber buffer; comes to rest on an elastomer; ends its travel at a soft bump stop",
                "has an end position set by a screw; is limited by an adjustable stop; is trimmed with a threaded stop",
                "passes a dead centre at one third of its stroke; turns over after a third of the way; reaches its summit early in the stroke",
            ],
        ],
        [
            (
                "over-centre latch; toggle clamp; knee lever; dead-point catch; snap-over clasp; bistable hook",
                "passes a dead point and then <holds> <automatically>; locks once its knee is stretched; snaps to a stable state on either side; stays shut beyond its dead centre",
                "closing with little force; keeping closed under vibration; locking by hand",
            ),
            (
                "planetary reducer; epicyclic gear; sun-and-planet train; orbital gearbox; coaxial step-down; satellite wheel set",
                "<reduces> speed through wheels that orbit a sun; multiplies torque on one axis; splits the <load> among several satellites; rolls small wheels inside a toothed <ring>",
                "multiplying torque in small space; changing speed coaxially; sharing tooth <load>",
            ),
            (
                "cam drive; lobed follower; eccentric track; profiled cylinder; dwell curve; contoured groove guide",
                "turns rotation into a stroke with a rest; lifts its follower along a profile; imposes a movement law by a curved track; <moves> the output and lets it pause",
                "synchronising strokes; obtaining a pause in motion; prescribing a path",
            ),
            (
                "counterbalance; opposing weight; gravity compensator; equalising beam; balance arm; zero-gravity suspension",
                "offsets the weight of the moved part; cancels gravity with a <mass>; makes the part float in any position; balances the lifted <load>",
                "lifting with little effort; stopping at any height; relieving the <motor>",
            ),
            (
                "ratchet wedge; one-way clutch; self-locking taper; sprag; non-return pawl; jamming roller",
                "permits motion in one sense and jams in the other; wedges itself tighter under <load>; prevents running back; grips when pulled backward",
                "preventing backward motion; holding without power; securing a raised <load>",
            ),
            (
                "flexure hinge; bending joint; monolithic pivot; thin-web articulation; compliant guide; leaf suspension",
                "moves by elastic bending of a thin web; guides without play or friction; pivots through a weakened section; deflects instead of sliding",
                "guiding without play; avoiding lubrication; precise small movement",
            ),
        ],
    ),
    "load": _group(
        "load bearing arrangement; shock handling unit; vibration treatment assembly; structural provision",
        "coping with shocks and vibration; protecting the structure; bearing changing <load>",
        "Y02T",
        [
            [
                "is pretensioned by a wedge; is braced with a tapered key; receives its preload from a driven wedge",
                "is preloaded by a threaded spindle; is tightened by means of a screw; gets its tension from a nut",
                "adapts its stiffness to amplitude; becomes harder the farther it moves; stiffens with growing deflection",
                "is mounted in elastomer bushings; is suspended in rubber sleeves; is isolated by moulded rubber",
            ],
            [
                "acts in two directions at right angles; works crosswise; is effective along both horizontal axes",
                "acts in torsion only; resists twisting alone; responds to rotation and not to shift",
                "acts only on rebound; works in the return stroke; is active when the part swings back",
                "is duplicated on opposite sides; is present as a mirrored pair; has a twin across the centre line",
            ],
            [
                "shows its state by a coloured mark; indicates overload with a visible flag; exposes a red band after a hit",
                "is bonded by an adhesive seam; is glued along its edge; is fixed with a structural glue line",
                "is filled with closed-cell foam; has a foamed interior; contains a cellular filling",
                "is graded in wall thickness; becomes thinner toward one end; has a taper of its wall",
            ],
        ],
        [
            (
                "friction damper; slipping clamp; dry brake pad; rubbing joint; Coulomb absorber; sliding bracket",
                "turns vibration into <heat> by rubbing; slips when the <load> passes a level; dissipates energy between pressed faces; brakes swinging by friction",
                "calming vibration; dissipating swing energy; limiting peak <load>",
            ),
            (
                "tuned mass damper; vibration absorber; resonant pendulum; sprung inertia; harmonic neutraliser; swinging counter-oscillator",
                "oscillates in opposition to the disturbance; carries a sprung <mass> tuned to a natural frequency; takes vibration over at one frequency; swings out of phase with the structure",
                "cancelling a resonance; quieting one frequency; steadying a slender structure",
            ),
            (
                "crush element; deformable crash box; collapsible tube; sacrificial crumple part; folding absorber; one-shot buffer",
                "folds plastically and uses up impact energy; collapses at a defined <load>; is destroyed in a controlled way; crumples before anything else breaks",
                "absorbing an impact; sparing costly parts; limiting forces in an accident",
            ),
            (
                "hydraulic dashpot; viscous damper; oil strut; throttled cylinder; fluid brake; piston retarder",
                "forces oil through a narrow orifice; slows motion in proportion to speed; retards by throttled <fluid>; resists fast motion and allows slow one",
                "slowing a movement; avoiding hard stops; smoothing a fall",
            ),
            (
                "disc spring stack; preloaded spring column; Belleville pile; elastic column; conical washer set; force cushion",
                "keeps a near constant force over its travel; yields elastically beyond its preload; maintains clamping force despite settling; compensates for length changes by <spring> travel",
                "keeping clamping force; compensating for expansion; allowing for tolerance",
            ),
            (
                "lattice core; honeycomb filler; load-spreading truss; cellular sandwich; ribbed web; open-strut mesh",
                "distributes a point <load> over many struts; stiffens at low weight; carries shear between two skins; spreads force through a cellular network",
                "saving weight; spreading local <load>; stiffening a thin wall",
            ),
        ],
    ),
    "sensing": _group(
        "monitoring arrangement; measuring unit; detection assembly; observation provision",
        "obtaining a trustworthy <signal>; watching a condition; recognising deviations early",
        "Y02P",
        [
            [
                "is sampled in bursts; is read in short series; takes its values in groups with pauses",
                "is read continuously at low power; works without pause on microwatts; is always on with a trickle of current",
                "is queried by a passing reader; is interrogated from outside on demand; answers a handheld reader",
                "is triggered by a start of motion; wakes on vibration; begins to measure when something moves",
            ],
            [
                "corrects its output for temperature; has its drift removed by a thermal model; is compensated for warmth",
                "is calibrated against a built-in standard; checks itself on an internal reference; is adjusted by a known sample inside",
                "rejects outliers by a median; drops extreme values; smooths its <signal> by the middle value",
                "averages over one turn; integrates across a whole revolution; forms a mean per rotation",
            ],
            [
                "is embedded in the wall; is cast into the structure; lies inside the material",
                "is clipped on from outside; is fastened externally by a clamp; sits on the exterior with a clip",
                "looks through a window; observes through a transparent port; views the scene behind glass",
                "is carried on the moving part; rides along with the mover; travels with the displaced part",
            ],
        ],
        [
            (
                "voting sensor set; redundant triple probe; majority arbiter; two-of-three pickup; duplicate measuring head; plausibility comparator",
                "accepts a value only if most of several readings agree; outvotes a single wrong <sensor>; <compares> three readings and drops the odd one; forms a majority of parallel channels",
                "tolerating a failed <sensor>; avoiding false alarms; trusting a measured value",
            ),
            (
                "differential bridge; paired reference probe; ratio meter; common-mode canceller; balanced detector; twin-arm comparator",
                "subtracts a reference from the measured <signal>; cancels what both arms see alike; measures the difference of two places; suppresses common disturbance",
                "suppressing disturbance; measuring small changes; removing drift",
            ),
            (
                "resonant sensor; tuning fork; vibrating wire; frequency shift gauge; oscillating beam; ringing crystal",
                "reads a quantity from a shift of natural frequency; vibrates and is detuned by the quantity; changes its pitch with added <mass>; counts cycles of a vibrating beam",
                "measuring without contact to electronics; high resolution; weighing tiny amounts",
            ),
            (
                "time-of-flight ranger; light pulse radar; echo timer; laser distance finder; flight-time camera; photon stopwatch",
                "measures distance from the delay of a light pulse; times an echo; emits a flash and clocks its return; computes range from travel time",
                "ranging without contact; mapping a surrounding; locating objects",
            ),
            (
                "acoustic emission monitor; crack listener; structure-borne sound pickup; ultrasonic eavesdropper; noise signature analyser; piezo microphone",
                "listens for sound that the material itself emits; recognises a crack by its noise; evaluates bursts of ultrasound; assigns a <fault> to a sound pattern",
                "finding damage early; hearing a leak; planning maintenance",
            ),
            (
                "capacitive proximity sensor; field electrode; dielectric detector; charge plate; stray-field antenna; touch electrode",
                "<detects> approach by a change of capacitance; evaluates an electric field that is disturbed; notices a nearby body without touch; measures the dielectric between two electrodes",
                "noticing approach; measuring level through a wall; safe contactless operation",
            ),
        ],
    ),
    "control": _group(
        "control arrangement; operating logic; regulating unit; supervision provision",
        "operating more steadily; adapting operation to demand; regulating a process",
        "Y04S",
        [
            [
                "is updated once a day from a server; gets new values nightly; is refreshed daily over a network",
                "is set by a rotary knob; takes its value from a dial; is adjusted on a turning handle",
                "derives its parameters from an identification run; tunes itself in a trial cycle; is parametrised by a test run",
                "takes its values from a barcode; is configured by a scanned tag; reads its settings from a label",
            ],
            [
                "hands over to a backup at a missing heartbeat; yields to a standby when messages cease; is replaced by a twin upon silence",
                "falls back to a fixed value on doubt; assumes a default when readings disagree; uses a constant if data are lost",
                "keeps the last valid state; freezes its output until data return; holds the most recent good value",
                "asks a person for confirmation; waits for an acknowledgement; needs an approval before it acts",
            ],
            [
                "weighs cost of energy; takes the tariff into account; considers the price of electricity",
                "weighs expected wear; includes remaining life in its choice; takes ageing into account",
                "weighs the noise at night; considers quiet hours; respects an acoustic limit after dark",
                "weighs the forecast of weather; regards predicted temperature and wind; takes a meteorological outlook into account",
            ],
        ],
        [
            (
                "predictive controller; look-ahead planner; model-based optimiser; horizon regulator; forecast governor; anticipating scheduler",
                "computes a future course with a model and acts ahead; simulates several steps before choosing one; optimises over a moving horizon; anticipates demand from a forecast",
                "acting ahead of a change; saving energy by planning; avoiding overshoot",
            ),
            (
                "hysteresis switch; two-point regulator; dead-band comparator; bang-bang stage; Schmitt element; on-off governor",
                "switches on at one level and off at another; avoids chatter by a dead band; keeps a quantity between two marks; toggles only outside a tolerance band",
                "avoiding chatter; regulating in a simple manner; sparing contacts",
            ),
            (
                "adaptive map; self-learning table; experience store; trained lookup; correction memory; habit model",
                "learns corrections and keeps them in a <memory>; updates a table after every cycle; adapts to habits of use; improves its entries from observed error",
                "adapting to wear; learning from use; removing repeated errors",
            ),
            (
                "duty rotator; load sharing scheduler; alternating sequencer; round-robin allocator; relay roster; turn-taking distributor",
                "assigns work <alternately> to equal units; balances running hours; lets units rest by rotation; distributes demand so that wear is even",
                "evening out wear; prolonging life; sharing demand among units",
            ),
            (
                "ramp limiter; slew governor; soft starter; rate restrictor; gradient guard; slope shaper",
                "<limits> how fast a command may change; turns a step into a slope; starts <gradually> from standstill; restrains the gradient of the <signal>",
                "starting softly; avoiding surges; protecting against sudden change",
            ),
            (
                "watchdog; fail-safe supervisor; dead-man monitor; heartbeat guardian; safe-state trigger; lapse detector",
                "brings the plant to a safe state when a sign of life is missing; expects a periodic pulse and trips without it; supervises the <controller> and resets it; cuts power at a <fault> of the logic",
                "reaching a safe state; recognising a hung program; guarding against <fault>",
            ),
        ],
    ),
    "power": _group(
        "energy arrangement; power supply unit; electrical assembly; drive energy provision",
        "using electrical energy better; securing the power <supply>; handling power peaks",
        "Y02B",
        [
            [
                "is switched by silicon carbide devices; uses wide-gap transistors; is commutated by carbide semiconductors",
                "is switched by a mechanical contactor; uses a relay for isolation; is disconnected by moving contacts",
                "is operated at several hundred kilohertz; runs at a high switching rate; works far above audible frequency",
                "is operated with direct current only; stays on a dc link; has no alternating stage",
            ],
            [
                "is cooled through its terminals; gives <heat> off by its leads; dissipates into the connecting bars",
                "is potted in resin; is encapsulated with a casting compound; is buried in epoxy",
                "is shielded by a ferrite <plate>; has a flux screen; is backed by a magnetic sheet",
                "is housed in a plug-in drawer; slides into a rack; is a removable plug-in unit",
            ],
            [
                "starts without current from the mains; performs a black start; wakes up off-grid",
                "passes surplus to a resistor; burns off what cannot be kept; dumps energy in a braking grid",
                "feeds two outputs of different voltage; serves a low and a high bus; supplies a pair of unequal rails",
                "reports its charge by a bus message; announces its state over a data line; publishes remaining energy digitally",
            ],
        ],
        [
            (
                "supercapacitor buffer; double-layer bank; peak shaver; fast charge reservoir; ultracapacitor bridge; burst supplier",
                "delivers short peaks and recharges slowly; covers bursts so that the <supply> sees the mean only; <stores> charge in a double layer; relieves the battery of peaks",
                "covering peaks of power; sparing the battery; starting at low voltage",
            ),
            (
                "inductive coupler; contactless charger; wireless power pad; air-gap transformer; resonant coil pair; magnetic feed",
                "<transfers> power across a <gap> by a magnetic field; feeds a movable part without contacts; couples two coils through air; supplies energy through a closed wall",
                "supplying without plugs; powering a rotating part; sealing off the electrics",
            ),
            (
                "regenerative converter; braking energy recuperator; recovery generator; feedback inverter; coasting dynamo; kinetic harvester",
                "returns braking energy to the store; works as a generator while slowing; recovers energy from a falling <load>; converts otherwise lost motion to current",
                "recovering energy; braking without wear; lengthening range",
            ),
            (
                "resonant switching stage; zero-voltage converter; soft commutation cell; quasi-resonant chopper; LC tank inverter; lossless snubber",
                "switches when the voltage is zero; shapes current by a tuned tank; commutates softly through a resonance; lets current swing to naught before opening",
                "lowering switching loss; lessening interference; raising efficiency",
            ),
            (
                "cell balancer; charge equaliser; shunting leveller; voltage harmoniser; bleed network; redistribution circuit",
                "shifts charge from full to empty cells; equalises voltages in a string; bleeds the strongest cell; keeps all members of a chain alike",
                "using the full capacity; lengthening life of a string; charging evenly",
            ),
            (
                "magnetic coupling; contactless clutch; permanent magnet transmission; flux-linked rotor; hermetic torque coupling; attraction drive",
                "<transfers> torque through a wall by magnets; turns a follower without a shaft seal; slips instead of breaking at overload; drags a second rotor by flux",
                "driving through a wall; avoiding shaft seals; protecting from overload",
            ),
        ],
    ),
    "surface": _group(
        "material arrangement; surface treatment; coated assembly; functional layer provision",
        "giving a <surface> better properties; protecting material; lengthening the life of a <surface>",
        "Y10S",
        [
            [
                "is applied by plasma; is deposited from an ionised gas; is produced in a glow discharge",
                "is printed with an ink jet; is put on drop by drop; is laid down by a print head",
                "is laminated from two foils; consists of two bonded webs; is built of a double foil",
                "is grown from a solution; forms in a wet bath; is precipitated out of a liquor",
            ],
            [
                "has a thickness below ten micrometres; is thinner than a hair; measures only a few micrometres",
                "has a thickness of several millimetres; is a thick overlay; measures more than a finger's nail",
                "varies in thickness along its length; is thick at one edge and thin at the other; tapers across the area",
                "is interrupted in islands; covers the area in patches; forms separate spots",
            ],
            [
                "is renewed when warmed to sixty degrees; is restored by mild heating; recovers in hot water",
                "is renewed by ultraviolet light; is restored under a lamp; recovers in sunshine",
                "is stripped off and replaced; is peeled away after use; is pulled off as a used sheet",
                "changes colour when it is spent; turns pale at the end of its life; shows wear by a hue",
            ],
        ],
        [
            (
                "water-repellent texture; lotus surface; micropillar coating; non-wetting relief; droplet-shedding skin; superhydrophobic finish",
                "makes drops roll off; traps air between tiny pillars; repels water by its roughness; keeps the <surface> dry and clean",
                "keeping a <surface> dry; preventing ice; easing cleaning",
            ),
            (
                "self-healing layer; capsule-filled coating; autonomic repair film; crack-closing resin; mending composite; microcapsule skin",
                "releases a healing agent from capsules that a crack breaks; closes scratches <automatically>; polymerises inside a crack; repairs itself after damage",
                "closing cracks; lengthening life; keeping a barrier tight",
            ),
            (
                "shape-memory part; transformation alloy wire; memory sleeve; remembered-form strip; martensitic insert; recovering polymer",
                "returns to a trained form when warmed; contracts on heating above a transformation; switches between two remembered shapes; pulls as it recovers its length",
                "actuating by warmth; fitting tightly after mounting; folding small for delivery",
            ),
            (
                "graded porous body; gradient sponge; layered sinter; stepwise porosity insert; functionally graded foam; density-graded block",
                "becomes denser from one side to the other; guides wetting along a gradient of pores; joins unlike materials by a gentle transition; lets permeability fall with depth",
                "joining unlike materials; guiding a <fluid> inside a solid; avoiding stress at an interface",
            ),
            (
                "electrostatic collector; charged plate trap; corona precipitator; ionising wire grid; electret fleece; field-assisted gatherer",
                "charges each <particle> and attracts it to a plate; collects dust by an electric field; <holds> fine matter with permanent charges; ionises the stream and gathers what is suspended",
                "catching fine dust; cleaning without pressure loss; gathering droplets",
            ),
            (
                "sacrificial anode; self-polishing paint; eroding protector; consumable shield; leaching cover; dissolving guard",
                "is consumed in place of the part it protects; wears off slowly and exposes a fresh <surface>; dissolves and keeps growth away; corrodes first by design",
                "preventing corrosion; keeping growth off; protecting a costly part",
            ),
        ],
    ),
}

# Where the device sits and when it acts: said of any mechanism.
COMMON_FACETS: tuple[tuple[tuple[str, ...], ...], ...] = (
    tuple(
        _phrases(option)
        for option in (
            "is placed upstream of everything else; comes first in the line; sits ahead of the remaining parts",
            "is nested inside the <housing>; lies within the <housing>; is enclosed by the <housing>",
            "is split over two places; is distributed on two locations; is divided between a near and a far site",
            "surrounds the <part> as a <ring>; encircles the <part>; forms a <ring> about the <part>",
            "is attached by a bayonet; is fixed with a quarter turn; is held by a twist lock",
            "hangs from above; is suspended overhead; is carried from the top",
        )
    ),
    tuple(
        _phrases(option)
        for option in (
            "acts before the main step; comes into play in advance; takes effect prior to the principal operation",
            "acts <alternately> with a second one of its kind; takes turns with a twin; works and rests against a duplicate",
            "acts at the end of each <interval>; takes effect when an <interval> ends; is effective at the close of the <interval>",
            "acts only upon a <fault>; is reserved for a <fault>; comes into play at a <fault>",
            "acts as long as the <load> lasts; stays effective throughout the <load>; goes on for as long as there is <load>",
            "acts in proportion to speed; grows in effect with speed; follows the speed in its effect",
        )
    ),
)
