extension ReportPage {
  /// The page's style sheet.
  static let style = """
    :root { color-scheme: light; }
    body { font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
      color: #1f2937; background: #fff; max-width: 1160px; margin: 32px auto; padding: 0 24px; }
    h1 { font-size: 28px; margin: 0 0 4px; overflow-wrap: anywhere; }
    h2 { font-size: 20px; margin: 44px 0 4px; }
    h3 { font-size: 15px; margin: 18px 0 6px; font-weight: 600; }
    .lead { font-size: 17px; max-width: 60em; }
    .note { color: #4b5563; max-width: 62em; margin: 4px 0 14px; }
    .cards { display: flex; flex-wrap: wrap; gap: 12px; }
    .card { flex: 1 1 150px; border: 1px solid #d1d5db; border-radius: 8px; padding: 12px 14px; }
    .value { font-size: 25px; font-weight: 650; font-variant-numeric: tabular-nums; }
    .name { font-weight: 600; }
    .meaning { color: #6b7280; font-size: 13px; line-height: 1.35; }
    table { border-collapse: collapse; font-size: 13.5px; width: 100%; }
    th { text-align: left; color: #6b7280; font-weight: 600; border-bottom: 1px solid #9ca3af; }
    th, td { padding: 3px 12px 3px 0; vertical-align: top; }
    td { border-bottom: 1px solid #eef0f3; font-variant-numeric: tabular-nums; }
    th.n, td.n { text-align: right; white-space: nowrap; }
    tr.chosen td { background: #ecfdf5; }
    .layers td { white-space: nowrap; }
    .bar { display: inline-block; width: 190px; height: 11px; background: #f3f4f6; }
    .bar div { height: 11px; }
    .good { background: #3b82f6; } .bar .weak { background: #f97316; }
    .note .weak { color: #c2570c; font-weight: 600; }
    .note .cut { color: #b91c1c; font-weight: 600; }
    .db { display: inline-block; width: 3.2em; text-align: right; }
    .float { color: #6b7280; font-style: italic; }
    .row { display: flex; gap: 8px; }
    .row figure { flex: 1 1 0; margin: 0; min-width: 0; }
    .row img { width: 100%; display: block; border-radius: 4px; }
    figcaption { font-size: 12.5px; color: #4b5563; overflow-wrap: anywhere; }
    .classes { margin: 4px 0 0; font-size: 13px; }
    .class { margin-right: 14px; white-space: nowrap; display: inline-block; }
    .class i { display: inline-block; width: 11px; height: 11px; border-radius: 2px;
      margin-right: 5px; }
    .picture { break-inside: avoid; }
    .histograms { display: grid; grid-template-columns: repeat(auto-fill, minmax(260px, 1fr));
      gap: 18px 20px; }
    .histogram { margin: 0; break-inside: avoid; }
    .histogram svg { display: block; max-width: 100%; }
    svg .bars { fill: #3b82f6; } svg .cut { fill: #fecaca; } svg .axis { stroke: #9ca3af; }
    svg .clip { stroke: #111827; stroke-dasharray: 3 2; fill: none; }
    svg text { font: 10.5px sans-serif; fill: #6b7280; }
    @media (max-width: 700px) { .row { flex-wrap: wrap; } .row figure { flex-basis: 45%; } }
    """
}
