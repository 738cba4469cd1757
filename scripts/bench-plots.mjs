// Plots of what scripts/bench.mjs has measured, by gnuplot: bars, one group a row.
import { spawnSync } from 'node:child_process'

const head = (file, title, unit) => `
set terminal pngcairo size 900,500 font "sans,11"
set output "${file}"
set title "${title}"
set ylabel "${unit}"
set style data histograms
set style histogram clustered gap 1
set style fill solid 0.85 noborder
set boxwidth 0.9
set grid ytics linecolor rgb "#dddddd"
set border 3
set tics nomirror
set key top left
set yrange [0:*]
`
const colours = ['#2b6cb0', '#a0aec0', '#dd6b20']
const quoted = text => `"${String(text).replaceAll('"', '')}"`

/** `rows` are [name, value, …], with one title for each value. */
function bars(file, title, unit, titles, rows, logarithmic = false) {
  const data = rows.map(([name, ...values]) => [quoted(name), ...values].join(' ')).join('\n')
  const scale = logarithmic ? 'set logscale y\nset yrange [*:*]\n' : ''
  const columns = titles.map((name, n) => `$data using ${n + 2}:xtic(1) title ${quoted(name)} linecolor rgb "${colours[n]}"`)
  const script = `${head(file, title, unit)}${scale}$data << EOD\n${data}\nEOD\nplot ${columns.join(', ')}\n`
  const { status, stderr, error } = spawnSync('gnuplot', ['-'], { input: script, encoding: 'utf8' })
  if (error || status !== 0) throw new Error(`gnuplot: ${error?.message ?? stderr}`)
}

export function median(values) {
  const sorted = values.toSorted((a, b) => a - b)
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2
}

/** Writes forward.png, delay.png and doors.png, each where there is something to show. */
export function plot(at, { forward, delay, doors }) {
  if (forward.length) {
    bars(`${at}/forward.png`, 'CPU time of a forwarded packet', 'ns', ['server', 'floor'], forward.map(r => [r.name, r.ns, r.floor]))
  }
  if (delay.length) {
    const name = r => `${r.name}, trains ${r.how === 'trains' ? 'on' : 'off'}`
    bars(`${at}/delay.png`, 'One-way delay at half load', 'ms', ['p50', 'p99', 'p99.9'], delay.map(r => [name(r), ...r.delay_ms]))
  }
  if (doors.length) {
    const rows = doors.map(d => [d.name, median(d.crescendo.cpu_s_a_gigabit), median(d.janus.cpu_s_a_gigabit)])
    bars(`${at}/doors.png`, 'CPU-seconds for a gigabit delivered (logarithmic)', 's', ['Crescendo', 'Janus'], rows, true)
  }
}
