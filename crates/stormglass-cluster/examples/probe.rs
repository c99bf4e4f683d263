use stormglass_core::*;
use stormglass_sim::*;
use stormglass_cluster::ColdStart;
fn main(){
  let delay=std::env::args().nth(1).unwrap_or("200ms".into());
  let n:u64=std::env::args().nth(2).unwrap_or("1".into()).parse().unwrap();
  let prof=std::env::args().nth(3).unwrap_or("quiet".into());
  let mut acc: std::collections::BTreeMap<String,Vec<f64>>=Default::default();
  let t=std::time::Instant::now();
  for seed in 0..n {
    let settings=Settings::resolve(&ColdStart,None,&prof,&[("disk.sync.delay",&delay)]).unwrap();
    let p=Run::new(&ColdStart,settings,Seed(seed)).play(Keep::Events);
    if n==1 {
      for e in &p.trace.events { 
        if matches!(e.kind,Kind::Send|Kind::Tick|Kind::Deliver|Kind::Write|Kind::Read|Kind::Readdir|Kind::Mkdir|Kind::Open|Kind::Create) {continue}
        println!("{:9.4} {:8} {:22} {:10} {:40} {:?}", e.at_nanos as f64/1e9, p.trace.text(e.node), p.trace.text(e.task), e.kind.name(), p.trace.text(e.subject), std::time::Duration::from_nanos(e.took_nanos)); }
      println!("{:?} {:?}",p.outcome.verdict,p.outcome.counters);
    }
    for e in &p.trace.events { if e.kind==Kind::Step { acc.entry(p.trace.text(e.subject).into()).or_default().push(e.at_nanos as f64/1e9);} 
       if e.kind==Kind::Note && p.trace.text(e.subject)=="metadata server: member" { acc.entry("member".into()).or_default().push(e.at_nanos as f64/1e9);} }
    for w in &p.outcome.waits { acc.entry("healthy".into()).or_default().push(w.length.duration().as_secs_f64()); }
  }
  let el=t.elapsed();
  for (k,mut v) in acc { v.sort_by(f64::total_cmp); println!("{k:35} n={:4} min {:7.3} med {:7.3} max {:7.3}",v.len(),v[0],v[v.len()/2],v[v.len()-1]); }
  println!("{:?} per run",el/n as u32);
}
